from yacs.config import CfgNode as CN

_C = CN()
_C.LOSS = CN()
_C.LOSS.NAME = "supcon"
_C.LOSS.TEMPERATURE = 0.07
_C.DATA = CN()
_C.DATA.NAME = "plantvillage"
_C.DATA.NUM_CLASSES = 38
_C.DATA.BATCH_SIZE = 192
_C.MODEL = CN()
_C.MODEL.PROJ_DIM = 128
_C.TRAIN = CN()
_C.TRAIN.EPOCHS = 80
_C.TRAIN.LR = 0.05
