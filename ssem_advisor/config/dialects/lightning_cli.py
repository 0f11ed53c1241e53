from ssem_advisor.config.dialects.core import Dialect, Sign

DIALECT = Dialect(
    name="lightning-cli",
    title="LightningCLI",
    signs=(Sign(keys=("class_path",)), Sign(keys=("trainer.max_epochs", "model", "data"))),
    fields={
        "dataset": ("data.dataset data.name data.dataset_name", "data.class_path"),
        "epochs": ("trainer.max_epochs",),
        "precision": ("trainer.precision",),
        "world_size": ("trainer.devices",),
    },
    assumed={"batch_scope": "device"},
    notes="`class_path` names the object, `init_args` its arguments. The batch size is per device.",
)
