_base_ = ['../base/model.py']
model = dict(head=dict(loss=dict(temperature=0.2)))
train_dataloader = dict(batch_size=16)
