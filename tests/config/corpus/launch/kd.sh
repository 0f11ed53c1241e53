# knowledge distillation, student from a supcon teacher
python train_student.py --path_t ./save/supcon_resnet50/last.pth --distill kd --model_s resnet18 -r 0.1 -a 0.9 -b 0 --kd_T 4 --alpha 0.9 --T 4 --dim 128
