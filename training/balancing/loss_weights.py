"""Strategies that weigh the tasks' losses: one backward pass, and weights w [K] from losses, state or chance.

The objective is sum_t w_t L_t. A task without a label in the batch has L_t = 0: its weight
is without effect.
"""

import tensorflow as tf


def uncertainty(log_variances: tf.Tensor, present: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Weights exp(-s_t), and what keeps the learned log variances s_t = log sigma_t^2 from growing for ever.

    minimize over network and s: sum_t [exp(-s_t) L_t + s_t / 2], over the tasks that have labels in the batch

    This is the paper's form for classification, L / sigma^2 + log sigma, for every task: cross-entropies are
    most of every loss here. (For a squared error it has L / (2 sigma^2), which only moves where s_t settles.)
    At s = 0, where it starts, it is the plain sum; d/ds = 0 at exp(s_t) = 2 L_t, so w_t tends to 1 / (2 L_t):
    each task counts by how far it has come. Were s_t / 2 added without a label as well, nothing would
    balance it, and s_t would fall with every such batch.

    Args:
        log_variances: s [K].
        present: [K], 1 for tasks with a label in the batch, else 0.

    Returns:
        w [K] and sum_t s_t / 2, a scalar; both are to be differentiated with respect to s.

    Source: Kendall, Gal and Cipolla 2018, "Multi-task learning using uncertainty to weigh losses", eq. 10.
    """
    return tf.exp(-log_variances), tf.reduce_sum(present * log_variances) / 2


def dynamic_average(last: tf.Tensor, before: tf.Tensor, temperature: float = 2.0) -> tf.Tensor:
    """w_t = K exp(r_t / T) / sum_i exp(r_i / T), r_t = last_t / before_t: who learns slower counts more.

    A task that has no two such epochs yet has r_t = 1: in the first two all weights are 1.

    Args:
        last: mean losses of the last epoch [K]; 0: not yet known.
        before: of the one before [K].
        temperature: T; the higher, the more equal.

    Returns:
        w [K]; their sum is K.

    Source: Liu, Johns and Davison 2019, "End-to-end multi-task learning with attention", eq. 7.
    """
    rate = tf.where((last > 0) & (before > 0), tf.math.divide_no_nan(last, before), 1.0)
    return rate.shape[0] * tf.nn.softmax(rate / temperature)


def count_losses(history: tf.Tensor, losses: tf.Tensor, present: tf.Tensor, first: tf.Tensor) -> tf.Tensor:
    """What `dynamic_average` is to remember after one more step.

    A task without a label in a whole epoch keeps both its means, and so its rate.

    Args:
        history: [4, K]: in this epoch so far, sum of losses and number of steps that had labels; mean loss of
            the last epoch and of the one before.
        losses: of this step [K].
        present: [K], 1 for tasks with a label in the batch, else 0.
        first: bool, whether a new epoch begins with this step.

    Returns:
        [4, K], the same after this step.
    """
    total, steps, last, before = tf.unstack(history)
    ended = first & (steps > 0)
    return tf.stack(
        [
            tf.where(first, 0.0, total) + losses * present,
            tf.where(first, 0.0, steps) + present,
            tf.where(ended, tf.math.divide_no_nan(total, steps), last),
            tf.where(ended, last, before),
        ]
    )


def random(tasks: int, seed: tf.Tensor) -> tf.Tensor:
    """w = K softmax(z), z_t ~ N(0, 1), drawn anew each step; each w_t has the mean 1.

    Args:
        tasks: K.
        seed: int64 [2]; the same seed gives the same weights.

    Returns:
        w [K]; their sum is K.

    Source: Lin, Ye, Zhang and Tsang 2022, "Reasonable effectiveness of random weighting", section 3.
    """
    return tasks * tf.nn.softmax(tf.random.stateless_normal((tasks,), seed))
