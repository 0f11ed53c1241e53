"""The data sets against their published numbers, written down apart from the table."""

import pytest

from ssem_advisor import catalogue

# name: classes, training instances in all, largest and smallest class where the sizes are listed
PUBLISHED = {
    "cifar10": (10, 50_000), "cifar100": (100, 50_000), "cifar100-coarse": (20, 50_000),
    "cifar10-lt": (10, 12_406, 5000, 50), "cifar100-lt": (100, 10_847, 500, 5),
    "digits": (10, 1797, 183, 174), "mnist": (10, 60_000, 6742, 5421), "fashion-mnist": (10, 60_000),
    "kmnist": (10, 60_000), "svhn": (10, 73_257, 13_861, 4659), "stl10": (10, 5000), "imagenet": (1000, 1_281_167),
    "imagenet100": (100, 126_689), "tiny-imagenet": (200, 100_000), "imagenet-lt": (1000, 115_846, 1280, 5),
    "places-lt": (365, 62_500, 4980, 5), "places365": (365, 1_803_460), "inat2018": (8142, 437_513, 1000, 2),
    "inat2021": (10_000, 2_686_843), "cub200": (200, 5994), "cars196": (196, 8144), "dogs120": (120, 12_000),
    "flowers102": (102, 1020), "food101": (101, 75_750), "dtd": (47, 1880), "eurosat": (10, 27_000),
    "ham10000": (7, 10_015, 6705, 115), "isic2019": (8, 25_331, 12_875, 239), "rxrx1": (1139, None),
    "voxceleb2": (5994, 1_092_009), "sst2": (2, 67_349, 37_569, 29_780), "trec": (6, 5452, 1250, 86),
    "ag-news": (4, 120_000), "imdb": (2, 25_000), "dbpedia": (14, 560_000), "banking77": (77, None),
}  # fmt: skip


def test_every_data_set_is_compared():
    assert [data.name for data in catalogue.every()] == list(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_data_set_has_its_published_numbers(name):
    classes, total, *ends = PUBLISHED[name]
    data = catalogue.get(name)
    assert data.classes == classes
    assert data.source
    if data.class_counts is not None:
        assert len(data.class_counts) == classes
        assert [max(data.class_counts), min(data.class_counts)] == ends
        assert sum(data.class_counts) == pytest.approx(total, abs=0 if data.name != "places-lt" else 50)
        assert data.fields() == {"class_counts": data.class_counts}
    elif data.instances_per_class is not None:
        assert not ends
        assert abs(data.instances_per_class * classes - total) <= classes / 2  # the mean, rounded
        assert data.fields() == {"classes": classes, "instances_per_class": data.instances_per_class}
        assert (data.instances_per_class * classes == total) or "mean" in data.note
    else:
        assert total is None


def test_digits_are_those_of_scikit_learn():
    from collections import Counter

    from sklearn.datasets import load_digits

    counted = Counter(load_digits().target.tolist())
    assert catalogue.get("digits").class_counts == tuple(counted[digit] for digit in range(10))


def test_long_tails_of_cifar_are_those_of_the_usual_code():
    assert catalogue.get("cifar10-lt").class_counts == (5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50)
