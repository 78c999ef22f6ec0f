"""Data sets in Python: of Hugging Face, torchvision, and plain lists."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from hierseg_learn.datasets import load_from_dataset


class Pets:
    """As torchvision's OxfordIIITPet: (photo, (class, mask)); counts what is read."""

    classes = ("Abyssinian", "Beagle", "Pug")

    def __init__(self, photos, masks, codes):
        self.photos, self.masks, self.codes = photos, masks, codes
        self.n_read = 0

    def __len__(self):
        return len(self.photos)

    def __getitem__(self, i):
        self.n_read += 1
        return Image.fromarray(self.photos[i]), (self.codes[i], Image.fromarray(self.masks[i]))


@pytest.fixture
def pets(photo, ids):
    return Pets([photo(4, 5 + k) for k in range(3)], [ids(4, 5 + k) for k in range(3)], [2, 0, 2])


def test_tuples(pets):
    data = load_from_dataset(pets, image=0, mask=(1, 1), labels=(1, 0), part_names=["a", "b", "c"])
    assert data.target_names == ["Abyssinian", "Beagle", "Pug"]
    assert data.target.tolist() == [2, 0, 2]
    assert data.tree == {"image": {"a": 0, "b": 1, "c": 2}}
    before = pets.n_read
    for i, item in enumerate(data.images):
        assert_array_equal(item.image, pets.photos[i])
        assert_array_equal(item.mask, pets.masks[i])
    # photo and mask come from one reading of the item
    assert pets.n_read - before == 3


def test_labels_given(pets):
    for labels in ([2, 0, 2], np.array([2, 0, 2])):
        data = load_from_dataset(pets, image=0, mask=(1, 1), labels=labels)
        assert data.target.tolist() == [2, 0, 2]
    data = load_from_dataset(pets, image=0, mask=(1, 1), labels=["x", "y", "x"], as_frame=True)
    assert data.target_names == ["x", "y"]
    assert data.frame["label"].tolist() == ["x", "y", "x"]
    with pytest.raises(ValueError, match="labels holds 2 classes for 3 items"):
        load_from_dataset(pets, image=0, mask=(1, 1), labels=[1, 2])


def test_mappings_and_arrays(photo, ids):
    items = [{"image": photo(), "mask": ids(), "kind": k} for k in ("x", "y")]
    data = load_from_dataset(items, labels="kind")
    assert data.target_names == ["x", "y"]
    assert_array_equal(data.images[1].mask, items[1]["mask"])
    gray = [{"image": photo()[..., 0], "mask": ids()}]
    assert load_from_dataset(gray).images[0].image.shape == (6, 8, 3)
    assert load_from_dataset(gray, mode=None).images[0].image.shape == (6, 8)


def test_pickles_without_the_last_item(pets):
    data = load_from_dataset(pets, image=0, mask=(1, 1))
    empty = len(pickle.dumps(data.images))
    data.images[1]
    assert abs(len(pickle.dumps(data.images)) - empty) < 100
    assert_array_equal(pickle.loads(pickle.dumps(data.images))[2].mask, pets.masks[2])


def test_sizes(photo, ids):
    items = [{"image": photo(8, 12), "mask": ids(4, 6)}]
    with pytest.raises(ValueError, match=r"Mask 0 .'item 0'. is 4 x 6 pixels, its photo is 8 x 12"):
        load_from_dataset(items)
    assert_array_equal(load_from_dataset(items, max_side=6).images[0].mask, items[0]["mask"])


def test_wrong_data_sets(photo, ids):
    with pytest.raises(TypeError, match="dataset is a generator; expected a length and items"):
        load_from_dataset(k for k in range(3))
    with pytest.raises(ValueError, match="dataset is empty"):
        load_from_dataset([])
    with pytest.raises(ValueError, match=r"has the keys \['image', 'label'\]; expected 'mask'"):
        load_from_dataset([{"image": photo(), "label": ids()}])
    with pytest.raises(TypeError, match="is a int; expected an image"):
        load_from_dataset([{"image": 3, "mask": ids()}])
    items = [{"image": photo(), "mask": ids()}, {"image": photo(), "mask": None}]
    with pytest.raises((TypeError, ValueError), match="'item 1'"):
        load_from_dataset(items)


def test_hugging_face(photo, ids):
    datasets = pytest.importorskip("datasets", reason="reads what Hugging Face's library writes")
    masks = [ids(4, 5 + k) for k in range(3)]
    table = datasets.Dataset.from_dict(
        {
            "image": [Image.fromarray(photo(4, 5 + k)) for k in range(3)],
            "annotation": [Image.fromarray(mask) for mask in masks],
            "label": [1, 0, 1],
        },
        features=datasets.Features(
            {
                "image": datasets.Image(),
                "annotation": datasets.Image(),
                "label": datasets.ClassLabel(names=["cat", "dog"]),
            }
        ),
    )
    data = load_from_dataset(table, mask="annotation", labels="label", unlabeled=2)
    assert (data.target_names, data.target.tolist()) == (["cat", "dog"], [1, 0, 1])
    for item, mask in zip(data.images, masks):
        assert_array_equal(item.mask, np.where(mask == 2, -1, mask.astype(int)))
    assert pickle.loads(pickle.dumps(data.images))[1].image.shape == (4, 6, 3)


def test_torchvision(tmp_path, write, photo):
    vision = pytest.importorskip("torchvision.datasets", reason="reads as torchvision does")
    root = tmp_path / "VOCdevkit" / "VOC2012"
    mask = np.array([[0, 15, 255]], dtype=np.uint8)
    write("VOCdevkit/VOC2012/JPEGImages/a.jpg", photo(1, 3))
    write("VOCdevkit/VOC2012/SegmentationClass/a.png", mask, palette=[0, 0, 0] * 256)
    (root / "ImageSets" / "Segmentation").mkdir(parents=True)
    (root / "ImageSets" / "Segmentation" / "train.txt").write_text("a\n")
    voc = vision.VOCSegmentation(tmp_path, image_set="train", download=False)
    data = load_from_dataset(voc, image=0, mask=1, unlabeled=255)
    assert data.images[0].mask.tolist() == [[0, 15, -1]]
