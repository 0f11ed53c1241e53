for trail in 0 1 2; do
python3 main_two.py --epochs 600 --batch_size 256 --learning_rate 0.001 --model "resnet18" --datasets "cifar10" \
  --trail $trail --temp 0.05 --method "SupCon_SimCLR" --method_gama 1.0 --method_lam 0.5
done
