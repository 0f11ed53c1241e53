class Config:
    SAMPLE_RATE: int = 16000
    LAMBDA_ID: float = 1.0       # speaker identity, cross-entropy
    LAMBDA_GENDER: float = 0.5
    LAMBDA_SUPCON: float = 0.5   # supervised contrastive loss
    SUPCON_TEMPERATURE: float = 0.07
    BATCH_SIZE: int = 32
    NUM_EPOCHS: int = 50
    USE_AMP: bool = True
