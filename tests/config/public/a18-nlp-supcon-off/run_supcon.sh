#!/usr/bin/env bash
# baseline: cross-entropy alone; supcon: cross-entropy + SupCon
set -euo pipefail
RUN_BASELINE=1
RUN_SUPCON=0
MODELS=("roberta-base" "bert-tiny")
SEEDS=( 11 12 )
EPOCHS=8
SUPCON_WEIGHT=0.1
PROJ_DIM=128

run_scenario() {
    local label="$1"
    local batch_size="$2"
    local extra_flags="$3"
    for model in "${MODELS[@]}"; do
        for seed in "${SEEDS[@]}"; do
            python src/main.py \
                --model "${model}" \
                --seed "${seed}" \
                --epochs "${EPOCHS}" \
                --batch_size "${batch_size}" \
                ${extra_flags}
        done
    done
}

if [ "${RUN_BASELINE}" -eq 1 ]; then
    run_scenario "baseline" 32 ""
fi
if [ "${RUN_SUPCON}" -eq 1 ]; then
    run_scenario "supcon" 32 "--supcon --supcon_weight ${SUPCON_WEIGHT} --proj_dim ${PROJ_DIM}"
fi
