#!/usr/bin/env bash
set -euo pipefail
# SupCon first, then SimCLR for comparison
python main_supcon.py --dataset cifar100 --method SupCon --temp 0.07 --epochs 400
python main_supcon.py --dataset cifar100 --method SimCLR --temp 0.5 --epochs 400
