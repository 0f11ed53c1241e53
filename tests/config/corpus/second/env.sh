export TEMPERATURE=0.1
docker run --gpus all -v $PWD:/w img python /w/main_supcon.py --temp $TEMPERATURE --batch_size 128 --dataset cifar10
