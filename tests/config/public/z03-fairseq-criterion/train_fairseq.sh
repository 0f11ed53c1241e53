python -m fairseq_cli.train data-bin/emo --arch roberta_base \
  --criterion supervised_contrastive --temperature 0.1 --num-classes 6 \
  --batch-size 32 --lr 1e-5 --max-update 5000
