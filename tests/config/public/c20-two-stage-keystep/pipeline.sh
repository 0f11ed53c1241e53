#-- 1. spatial encoder
cd /home/me/KeyStep/spatial
path_name=try_ep90
EPOCH=90
log_path=/store/log/stage1
video=/store/frames

python train.py $path_name --run_path $log_path --epoch $EPOCH --loss supcon --use_pretrained_weights --data_path $video
#-- 2. embeddings of the videos
python compute_embedding_from_dataset.py --run_name $path_name --checkpoint best.pth --loss SupCon --log_path $log_path --data_path  $video

#-- 3. temporal encoder
cd /home/me/KeyStep/temporal
python train_temporal.py --epochs 40 --lr 1e-4 --batch_size 4
