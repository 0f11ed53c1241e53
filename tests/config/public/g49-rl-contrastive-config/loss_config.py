from pydantic import BaseModel, Field


class ContrastiveConfig(BaseModel):
    temperature: float = Field(default=0.07, gt=0)
    contrastive_coef: float = Field(default=0.1, ge=0)
    embedding_dim: int = Field(default=128, gt=0)
    use_projection_head: bool = True
