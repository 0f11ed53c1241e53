cd SemiSupCon
python -m semisupcon.train --config configs/gtzan.yaml --labelled 0.3 --temperature 0.1 --batch_size 64
