# python train.py --name "prep_supcon_focal2" --loss "focal" --gamma 2.0 --use_supcon --supcon_weight 0.1
echo "--- STAGE 7.2: SupCon (GAN augmented data) ---"
python train.py --name "gan_supcon_ce" --loss "ce" --use_supcon --supcon_weight 0.1 --data_dir "dataset_augmented" --batch_size 256
