"""An operation's value and the gradients it sends back, as a network would ask for them."""

import tensorflow as tf

MODES = {
    "eager": lambda f, signature: f,
    "graph": lambda f, signature: tf.function(f, input_signature=signature, autograph=False),
    "xla": lambda f, signature: tf.function(f, input_signature=signature, autograph=False, jit_compile=True),
}


def value_and_gradients(op, xs, dz=None, mode="eager"):
    """op(*xs) and its gradients for sum(dz op(*xs)); in graphs the first axis of xs is unknown beforehand."""
    xs = [tf.convert_to_tensor(x) for x in xs]
    signature = [tf.TensorSpec([None, *x.shape[1:]] if x.shape.rank else [], x.dtype) for x in xs]

    def run(*xs):
        with tf.GradientTape() as tape:
            tape.watch(xs)
            z = op(*xs)
        return z, tape.gradient(z, xs, None if dz is None else tf.cast(dz, z.dtype))

    z, gradients = MODES[mode](run, signature)(*xs)
    return z.numpy(), [None if dx is None else dx.numpy() for dx in gradients]
