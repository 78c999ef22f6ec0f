import numpy as np
import pytest
from skimage.color import rgb2gray, rgb2lab

from hierseg_learn.descriptors import ImageChannels


def test_color_channels_are_those_of_scikit_image():
    image = np.random.default_rng(0).random((3, 4, 3)).astype(np.float32)
    channels = ImageChannels(image)
    assert (channels.shape, channels.n_pixels, channels.n_channels) == ((3, 4), 12, 3)
    np.testing.assert_array_equal(channels.lab, rgb2lab(image))
    np.testing.assert_array_equal(channels.gray, rgb2gray(image))


def test_gray_image_has_the_lightness_of_its_color_twin():
    image = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    channels = ImageChannels(image)
    assert (channels.shape, channels.n_channels, channels.lab.shape) == ((3, 4), 1, (3, 4, 1))
    np.testing.assert_array_equal(channels.gray, image)
    np.testing.assert_allclose(
        channels.lab[..., 0], rgb2lab(np.stack([image] * 3, axis=-1))[..., 0], atol=1e-4
    )
    np.testing.assert_allclose(channels.lab[[0, -1], [0, -1], 0], [0, 100], atol=1e-4)


def test_channels_are_computed_once():
    channels = ImageChannels(np.zeros((2, 2, 3)))
    assert channels.lab is channels.lab
    assert channels.gray is channels.gray


@pytest.mark.parametrize("shape", [(4,), (2, 2, 1), (2, 2, 4), (2, 2, 3, 1)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"image must have shape \(height, width\) or"):
        ImageChannels(np.zeros(shape))


def test_integers_are_refused():
    with pytest.raises(TypeError, match="image has dtype uint8, expected floats"):
        ImageChannels(np.zeros((2, 2, 3), dtype=np.uint8))
