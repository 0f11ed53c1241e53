import argparse
import pytorch_lightning as pl
from data import ContrastiveDataModule, SimCLRDataModule, FineTuneDataModule
from model_pl import PLModel, PLModelSimCLR, PLModelFT

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--epoch", type=int, default=150, help="epochs")
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--n_classes", type=int, default=4)
    parser.add_argument("--latent_dim", type=int, default=128)
    parser.add_argument("--finetune", type=str, default="True")
    parser.add_argument("--ssl_type", type=str, default="autoencode")
    parser.add_argument("--temperature", default=0.1, type=float)
    parser.add_argument("--dataset", default="roi_set", type=str)
    opt = parser.parse_args()
    if opt.finetune:
        dm = FineTuneDataModule(batch_size=opt.batch_size)
        model = PLModelFT(opt=opt)
    elif opt.ssl_type == "simclr":
        dm = SimCLRDataModule(batch_size=opt.batch_size)
        model = PLModelSimCLR(opt=opt)
    else:
        dm = ContrastiveDataModule(batch_size=opt.batch_size)
        model = PLModel(opt=opt)
    pl.Trainer(max_epochs=opt.epoch).fit(model, datamodule=dm)
