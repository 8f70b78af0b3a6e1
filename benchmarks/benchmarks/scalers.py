"""The scikit-learn estimators, where there is scikit-learn."""

from . import common


class Scalers(common.Selected):
    """Each method of both scalers, in new memory: what pipelines do."""

    version = "1"
    param_names = ["scaler", "method", "layout", "dtype", "backend"]
    params = [
        ["StandardScaler", "MinMaxScaler"],
        ["fit", "transform", "fit_transform", "inverse_transform"],
        ["small", "table", "nchw"],
        ["float32", "float64"],
        common.BACKENDS,
    ]

    def setup(self, scaler, method, layout, dtype, backend):
        try:
            from fastbn import sklearn
        except ImportError as error:  # no scikit-learn, or a version before the estimators
            raise NotImplementedError(str(error)) from error
        self.select(backend)
        self.x, channel_axis = common.make_array(layout, dtype)
        fitted = getattr(sklearn, scaler)(channel_axis=channel_axis).fit(self.x)
        self.method = getattr(fitted, method)
        self.method(self.x)  # compiles

    def time_call(self, *_):
        self.method(self.x)
