python3 main_supcon.py --cosine --method SupCon --learning_rate 0.04 --temp 0.07 --seed 1
python3 main_supcon.py --cosine --method SupCon --learning_rate 0.04 --temp 0.07 --seed 2
python3 main_supcon.py --cosine --method SupCon --learning_rate 0.04 --temp 0.07 --seed 3
