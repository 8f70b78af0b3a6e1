"""What ``--help`` says beyond the options."""

FILES = """Files may be .npy, Zarr, NetCDF, HDF5, GeoTIFF, Parquet or CSV, and larger than memory: they are worked
through in tiles. A directory, a quoted pattern or several files are one data set. Output grows beside its final name
and gets it when it is complete. Exit codes: 0 done, 1 the job failed, 2 bad arguments."""
EXAMPLES = {
    "demo": ["fastbn demo --output results"],
    "stats": [
        "fastbn stats photos.npy -o photos.json",
        "fastbn stats scenes/ --bands 1-3 -o scenes.json --plot scenes.png",
        "fastbn stats 'climate/19*.nc' --channel-dim level --exact",
        "fastbn stats table.parquet --columns height,weight --json",
    ],
    "quantiles": ["fastbn quantiles photos.npy -q 0.02 0.98 -o ends.json"],
    "normalize": [
        "fastbn normalize photos.npy normalized.npy",
        "fastbn normalize scenes/ normalized/ --stats scenes.json --resume",
        "fastbn normalize table.csv scaled.csv --method minmax --clip --plot scaled.png",
    ],
    "denormalize": ["fastbn denormalize normalized.npy photos.npy --stats photos.json"],
    "merge": ["fastbn merge day1.json day2.json -o both.json"],
    "info": ["fastbn info --json", "fastbn info scenes/ --bands 1-3"],
    "bench": ["fastbn bench --quick", "fastbn --threads 1 bench --json"],
    "completion": [
        "fastbn completion bash > ~/.local/share/bash-completion/completions/fastbn",
        "fastbn completion zsh > ~/.zfunc/_fastbn    # in ~/.zshrc: fpath+=~/.zfunc; autoload -U compinit; compinit",
        "fastbn completion tcsh >> ~/.cshrc",
    ],
}
