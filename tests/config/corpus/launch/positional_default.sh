GPU=${1:-0}
TAU=${2:-0.07}
CUDA_VISIBLE_DEVICES=$GPU python -u run_pretraining.py --criterion SupConLoss --temperature $TAU --bsz 128
