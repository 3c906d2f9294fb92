"""Operations whose gradients are derived by hand, one family a file."""

from multitask.ops.activation import (
    hard_limit,
    leaky_relu,
    linear,
    relu,
    saturated_linear,
    sigmoid,
    softmax,
    symmetric_hard_limit,
    symmetric_saturated_linear,
    tanh,
)
from multitask.ops.convolution import conv2d
from multitask.ops.cross_entropy import (
    distribution_cross_entropy,
    multi_label_cross_entropy,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
    sparse_softmax_cross_entropy,
)
from multitask.ops.dense import dense, flatten
from multitask.ops.depthwise import depthwise_conv2d, pointwise_conv2d, separable_conv2d
from multitask.ops.dropout import dropout
from multitask.ops.joining import add, concatenate, multiply
from multitask.ops.normalization import batch_norm, batch_norm_inference
from multitask.ops.pooling import (
    average_pool,
    global_average_pool,
    global_max_pool,
    l2_pool,
    max_pool,
    min_pool,
)
from multitask.ops.regression import absolute_error, squared_error, weighted_mean
