from ssem_advisor.losses import SupervisedContrastiveLoss

criterion = SupervisedContrastiveLoss(alpha=None, temperature=0.1)
