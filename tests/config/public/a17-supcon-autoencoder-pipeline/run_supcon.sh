#!/usr/bin/env bash
# full pipeline of the supervised contrastive autoencoder
set -euo pipefail
ROOT_FOLDER="/data/cells"
PYTHON="python"
CFG="config/contrastive"
mkdir -p logs
echo "--- supcon AE ---"
$PYTHON scripts/run_ae_from_config.py \
    --root_folder "$ROOT_FOLDER" \
    $CFG/ae_supcon.yaml
echo "--- analysis ---"
$PYTHON scripts/run_analysis_from_config.py \
    --root_folder "$ROOT_FOLDER" \
    $CFG/analysis_supcon.yaml
$PYTHON scripts/run_classification_from_config.py \
    --root_folder "$ROOT_FOLDER" \
    $CFG/cls_supcon_lat8.yaml
