python main_supcon.py --batch_size 256 \ 
  --temp 0.1
