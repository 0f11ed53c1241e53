python train.py --loss triplet --margin 0.3 --mining semi-hard --batch_size 180 --embedding_dim 512 --epochs 100
python train_infonce.py --help
