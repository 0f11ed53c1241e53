supcon_run = dict(
    method='SupCon',
    debug=False,
    tau=0.08,
    bs=192,
    classes=30,
    epochs=70,
)
