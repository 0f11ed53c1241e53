def test_disabling_auxiliary_losses_keeps_weighted_terms_zero():
    metrics = Agent(Factory(cfg()), training_cfg(), "cpu").train_step(batch())
    assert metrics["loss/supervised_contrastive_weighted"] == 0.0
