python3 main_pretrain.py --config-path scripts/pretrain/cifar --config-name supcon.yaml \
    method=supcon data.dataset=cifar100 method_kwargs.temperature=0.15 method_kwargs.proj_output_dim=128 \
    optimizer.batch_size=256 max_epochs=500 devices=[0] ++name=supcon-c100
