cat > job.sbatch <<'EOF'
#!/bin/bash
python main_supcon.py --temp 9.9 --batch_size 2
EOF
sbatch job.sbatch
python train.py --loss supcon --temperature 0.1 --batch_size 320
