PRETRAINED_FILE=checkpoints/wm811k/supmoco/resnet18/2021-10-27/ckpt.last.pth.tar
python ./run_classification.py \
  --pretrained_file $PRETRAINED_FILE \
  --data wm811k --batch_size 256 --learning_rate 0.001 --epochs 100
