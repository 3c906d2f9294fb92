"""Strategies that resolve conflicts between the tasks' gradients g_1..g_K of the shared parameters.

Two gradients are in conflict where g_i . g_j < 0: a step down the one leads up the other. Each strategy here
answers with a direction d, and each d is sum_t w_t g_t: to project g_i off g_j is to add a multiple of g_j
(PCGrad); the nearest point to g_i in the dual cone {d: d . g_j >= 0 for all j} is g_i plus multiples of the
g_j it would else hurt (UPGrad); the mean gradient plus a multiple of a mixture is a mixture (CAGrad). The
multiples depend on inner products alone. So the K numbers w follow from the Gram matrix M [K, K] with
M_ij = g_i . g_j, and the parameters, millions of them, are read twice: to get M, and to sum up d.

A task without a label in the batch has g_t = 0, so a row and a column of zeros: nothing is projected on it,
and means are over the others. All are scaled to compare with the plain sum; each says how.

M and w are float64: what is computed of them is small, and M is nearly singular where gradients align.
"""

import itertools

import tensorflow as tf

MOST_TASKS = 8
"""CAGrad and UPGrad try all 2^K subsets of tasks, exact and fast as long as there are few."""

# A share of each |g_t|^2 that is added to it, as if g_t had that much of a dimension of its own: the float32
# sums in M are no better than that, and without it exactly opposed gradients make M singular.
_RIDGE = 1e-6


def pcgrad(gram: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Each gradient is projected off every other it conflicts with, one after the other; d is their sum.

    d = sum_i p_i; p_i starts as g_i; for j in random order, where p_i . g_j < 0:
    p_i <- p_i - (p_i . g_j / |g_j|^2) g_j

    Without conflict d is the plain sum.

    Args:
        gram: M float64 [K, K].
        seed: int64 [2], of the random orders.

    Returns:
        w float64 [K].

    Source: Yu et al. 2020, "Gradient surgery for multi-task learning", Algorithm 1.
    """
    tasks = gram.shape[0]
    itself = tf.eye(tasks, dtype=gram.dtype)
    order = tf.argsort(tf.random.stateless_uniform((tasks, tasks), seed))  # row i: whom p_i meets when
    p = itself  # row i: p_i as multiples of g_1..g_K
    for turn in range(tasks):
        other = tf.one_hot(order[:, turn], tasks, dtype=gram.dtype)  # row i: the j of p_i
        overlap = tf.reduce_sum((p @ gram) * other, axis=1, keepdims=True)  # p_i . g_j
        square = tf.linalg.matvec(other, tf.linalg.diag_part(gram))[:, None]  # |g_j|^2
        p -= tf.math.divide_no_nan(tf.minimum(overlap, 0), square) * other * (1 - itself)
    return tf.reduce_sum(p, axis=0)


def cagrad(gram: tf.Tensor, present: tf.Tensor, c: float = 0.4) -> tf.Tensor:
    """The direction near the mean gradient g_0 that does most for the task it does least for.

    d = argmax_d min_i d . g_i  over  |d - g_0| <= c |g_0|; its dual, over w >= 0, sum w = 1:
    F(w) = g_w . g_0 + c |g_0| |g_w|,  g_w = sum_t w_t g_t;  d = g_0 + c |g_0| g_w / |g_w|

    F is convex, so its minimum lies inside the face of some subset of the tasks, where all
    b_t + c |g_0| (M w)_t / |g_w|, b_t = g_t . g_0, are equal, and equal to F. So on that subset
    c |g_0| w / |g_w| = F M^-1 1 - M^-1 b, and as the left side's length in M is c |g_0|, F is the larger root
    of a quadratic equation. Of the subsets whose solution is not negative, that of the smallest F is it.

    d is multiplied by K / (1 + c), K counting the tasks present: then equal gradients give the plain sum. (No
    factor does so for all that are merely not in conflict: CAGrad helps the worst task then, too.)

    Args:
        gram: M float64 [K, K].
        present: float64 [K], 1 for tasks with a label in the batch, else 0.
        c: radius, in [0, 1); 0.4 is the paper's choice for supervised tasks.

    Returns:
        w float64 [K].

    Source: Liu, Liu, Jin, Stone and Liu 2021, "Conflict-averse gradient descent", eq. 3-5 and Algorithm 1.
    """
    gram = _with_ridge(gram)
    subsets = _subsets(gram.shape[0])[1:]  # [2^K - 1, K]
    # With the sum in the place of the mean g_0, all of d becomes K times as long, as wanted.
    b = tf.linalg.matvec(gram, present)
    square = c**2 * tf.tensordot(present, b, 1)  # (c |g_0|)^2
    right = tf.stack([tf.ones_like(b), b], axis=1)
    by_one, by_b = tf.unstack(_solve(gram, subsets, right), axis=2)  # M^-1 1 and M^-1 b, [2^K - 1, K]
    quadratic = tf.reduce_sum(by_one, axis=1)
    half = tf.reduce_sum(by_b, axis=1)
    root = half**2 - quadratic * (tf.linalg.matvec(by_b, b) - square)
    f = (half + tf.sqrt(tf.maximum(root, 0))) / quadratic  # [2^K - 1]
    step = f[:, None] * by_one - by_b  # c |g_0| w / |g_w|
    valid = (root >= 0) & tf.reduce_all((step >= 0) & (subsets <= present), axis=1)
    best = tf.argmin(tf.where(valid, f, f.dtype.max))
    return (present + tf.gather(step, best)) / (1 + c)


def upgrad(gram: tf.Tensor, present: tf.Tensor) -> tf.Tensor:
    """Each gradient is replaced by the nearest direction that is in conflict with none; d is their sum.

    d = sum_i sum_t v_it g_t,  v_i = argmin_v v^T M v  over  v >= e_i

    v_i - e_i >= 0 is positive on some subset of the tasks, and there M v_i = 0. Of the subsets whose solution
    is not negative, that of the smallest v^T M v is it.

    The paper has the mean of the projections. Their sum, over the tasks present, is the plain sum if there is
    no conflict.

    Args:
        gram: M float64 [K, K].
        present: float64 [K], 1 for tasks with a label in the batch, else 0.

    Returns:
        w float64 [K].

    Source: Quinton and Rey 2024, "Jacobian descent for multi-objective optimization", Proposition 1, eq. 5.
    """
    gram = _with_ridge(gram)
    tasks = gram.shape[0]
    added = _solve(gram, _subsets(tasks), -gram)  # [2^K, K, K], column i: v_i - e_i
    v = tf.eye(tasks, dtype=gram.dtype) + added
    square = tf.reduce_sum(v * (gram @ v), axis=1)  # [2^K, K]
    valid = tf.reduce_all(added >= 0, axis=1)
    best = tf.argmin(tf.where(valid, square, square.dtype.max), axis=0)  # [K]
    projections = tf.gather(tf.transpose(v, (2, 0, 1)), best, batch_dims=1)  # row i: v_i
    return tf.linalg.matvec(projections, present, transpose_a=True) * present


def _with_ridge(gram: tf.Tensor) -> tf.Tensor:
    squares = tf.linalg.diag_part(gram)
    return gram + _RIDGE * tf.linalg.diag(tf.where(squares > 0, squares, 1))


def _subsets(tasks: int) -> tf.Tensor:
    """All subsets of K tasks as rows of 0 and 1, the empty one first: float64 [2^K, K]."""
    return tf.constant(list(itertools.product((0, 1), repeat=tasks)), tf.float64)


def _solve(gram: tf.Tensor, subsets: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """x with M x = right on each subset, and 0 off it: right [K, C] -> [subsets, K, C]."""
    among = subsets[:, :, None] * subsets[:, None, :] * gram + tf.linalg.diag(1 - subsets)
    return tf.linalg.cholesky_solve(tf.linalg.cholesky(among), subsets[:, :, None] * right)
