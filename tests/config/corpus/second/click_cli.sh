poetry run python -m sentinel.cli train --objective supervised-contrastive --softmax-temperature 0.12 --samples-per-class 4 --batch-size 128 --n-classes 45
