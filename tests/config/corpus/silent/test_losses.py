from losses import SupConLoss


def test_value():
    assert SupConLoss(temperature=0.1)(features, labels) > 0
