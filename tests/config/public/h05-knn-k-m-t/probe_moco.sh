python eval_knn.py --method SupMoCo --K 200 --m 0.9 --T 0.07 --batch_size 512
