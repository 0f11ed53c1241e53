from ssem_advisor.config.dialects.core import Dialect, Sign

DIALECT = Dialect(
    name="hydra",
    title="Hydra object trees",
    signs=(Sign(keys=("_target_",)),),
    fields={
        "dataset": (
            "data.name data.dataset dataset.name datamodule.dataset",
            "data._target_ dataset._target_ datamodule._target_",
        ),
        "epochs": ("trainer.max_epochs", "max_epochs epochs n_epochs num_epochs"),
        "precision": ("trainer.precision", "precision amp"),
        "world_size": ("trainer.devices", "devices world_size"),
    },
    notes="`_target_` names the object, its neighbours are its arguments.",
)
