"""FaceQnet from a fabricated Keras file, against Keras' arithmetic written out in NumPy.

The real file was never seen. What is known: the authors load it as a whole Keras 2 model, and its
input is called "base_input" as in the public VGGFace2 ResNet-50, whose layers, names and strides are
used here with a sixteenth of the channels.
"""

import json
import sys
from functools import partial

import cv2
import h5py
import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view

from facesr_bench.errors import ConfigError, MissingRequirement, WeightsError
from facesr_bench.metrics.base import ScoreBatch
from facesr_bench.metrics.faceqnet import FaceQnet, prepare
from facesr_bench.nets.keras_graph import KerasGraph
from facesr_bench.weights.__main__ import main as weights_main
from facesr_bench.weights.cache import file_hash, read_pins
from facesr_bench.weights.importing import import_file
from facesr_bench.weights.keras import keras_of
from metrics.fabricated import FabricatedWeights, random_batch
from metrics.sharding import assert_shards_agree

STAGES = [(2, 3, 4, 1), (3, 4, 8, 2), (4, 6, 16, 2), (5, 3, 32, 2)]  # stage, blocks, width, stride


def pad_same(x, size, stride, value):
    """TensorFlow's "same", channels last: the odd row and column go to the bottom right."""
    widths = [(0, 0)]
    for length in x.shape[1:3]:
        out = int(np.ceil(length / stride))
        total = max((out - 1) * stride + size - length, 0)
        widths.append((total // 2, total - total // 2))
    return np.pad(x, [*widths, (0, 0)], constant_values=value)


def windows(x, size, stride):
    return sliding_window_view(x, (size, size), axis=(1, 2))[:, ::stride, ::stride]


class Keras:
    """Writes layers as Keras 2 does, and computes what they give, (B, H, W, C), as Keras does."""

    def __init__(self, images, seed=0):
        self.rng = np.random.default_rng(seed)
        self.layers, self.arrays = [], {}
        self.values = {"base_input": images.astype(np.float64)}
        self._emit("base_input", "InputLayer", [], batch_input_shape=[None, 224, 224, 3])

    def _emit(self, name, kind, inputs, arrays=None, **config):
        nodes = [[[source, 0, 0, {}] for source in inputs]] if inputs else []
        self.layers.append(
            {
                "name": name,
                "class_name": kind,
                "config": {"name": name, **config},
                "inbound_nodes": nodes,
            }
        )
        self.arrays[name] = arrays or {}
        return name

    def _draw(self, *shape, scale=1.0):
        return (self.rng.standard_normal(shape) * scale).astype(np.float32)

    def conv(self, name, x, filters, size, stride=1, padding="valid"):
        value = self.values[x]
        kernel = self._draw(
            size, size, value.shape[3], filters, scale=(2 / value.shape[3]) ** 0.5 / size
        )
        if padding == "same":
            value = pad_same(value, size, stride, 0.0)
        self.values[name] = np.einsum(
            "bhwcij,ijco->bhwo",
            windows(value, size, stride),
            kernel.astype(np.float64),
            optimize=True,
        )
        return self._emit(name, "Conv2D", [x], {"kernel": kernel}, filters=filters, activation="linear",
            kernel_size=[size, size], strides=[stride, stride], padding=padding, use_bias=False,
            data_format="channels_last", dilation_rate=[1, 1])  # fmt: skip

    def norm(self, name, x):
        channels = self.values[x].shape[-1]
        draws = [self._draw(channels, scale=0.1) for _ in range(3)]
        arrays = {
            "gamma": 1 + draws[0], "beta": draws[1], "moving_mean": draws[2],
            "moving_variance": self.rng.uniform(0.001, 0.5, channels).astype(np.float32),
        }  # fmt: skip
        gamma, beta, mean, variance = (a.astype(np.float64) for a in arrays.values())
        scaled = (self.values[x] - mean) / np.sqrt(variance + 1e-3)
        self.values[name] = scaled * gamma + beta
        return self._emit(name, "BatchNormalization", [x], arrays, axis=3, epsilon=0.001,
            momentum=0.99, center=True, scale=True)  # fmt: skip

    def relu(self, x):
        name = f"activation_{len(self.layers)}"
        self.values[name] = np.maximum(self.values[x], 0)
        return self._emit(name, "Activation", [x], activation="relu")

    def block(self, prefix, x, width, stride, first):
        def unit(suffix, source, filters, size, step, padding="valid"):
            name = f"{prefix}_{suffix}"
            return self.norm(f"{name}/bn", self.conv(name, source, filters, size, step, padding))

        y = self.relu(unit("1x1_reduce", x, width, 1, stride))
        y = self.relu(unit("3x3", y, width, 3, 1, "same"))
        y = unit("1x1_increase", y, 4 * width, 1, 1)
        shortcut = unit("1x1_proj", x, 4 * width, 1, stride) if first else x
        name = f"add_{len(self.layers)}"
        self.values[name] = self.values[y] + self.values[shortcut]
        return self.relu(self._emit(name, "Add", [y, shortcut]))

    def dense(self, name, x, units, activation, scale):
        value = self.values[x]
        kernel, bias = self._draw(value.shape[1], units, scale=scale), self._draw(units, scale=0.1)
        linear = value @ kernel.astype(np.float64) + bias
        self.values[name] = np.maximum(linear, 0) if activation == "relu" else linear
        return self._emit(name, "Dense", [x], {"kernel": kernel, "bias": bias}, units=units,
            activation=activation, use_bias=True)  # fmt: skip

    def resnet(self):
        x = self.conv("conv1/7x7_s2", "base_input", 4, 7, 2, "same")
        x = self.relu(self.norm("conv1/7x7_s2/bn", x))
        self.values["max_pooling2d_1"] = windows(self.values[x], 3, 2).max(axis=(-2, -1))
        x = self._emit("max_pooling2d_1", "MaxPooling2D", [x], pool_size=[3, 3], strides=[2, 2],
            padding="valid", data_format="channels_last")  # fmt: skip
        for stage, blocks, width, stride in STAGES:
            for block in range(1, blocks + 1):
                x = self.block(
                    f"conv{stage}_{block}", x, width, stride if block == 1 else 1, block == 1
                )
        self.values["avg_pool"] = windows(self.values[x], 7, 7).mean(axis=(-2, -1))
        x = self._emit("avg_pool", "AveragePooling2D", [x], pool_size=[7, 7], strides=[7, 7],
            padding="valid", data_format="channels_last")  # fmt: skip
        self.values["flatten_1"] = self.values[x].reshape(len(self.values[x]), -1)
        x = self._emit("flatten_1", "Flatten", [x], data_format="channels_last")
        x = self.dense("dense_1", x, 8, "relu", 0.3)
        self.values["dropout_1"] = self.values[x]
        x = self._emit("dropout_1", "Dropout", [x], rate=0.5)
        spread = float(self.values[x].std()) or 1.0
        self.output = self.dense("main_output", x, 1, "linear", 0.05 / spread)
        return self

    def config(self):
        ends = {"input_layers": [["base_input", 0, 0]], "output_layers": [[self.output, 0, 0]]}
        described = {"name": "model_1", "layers": self.layers, **ends}
        return {"class_name": "Model", "config": described}

    def save(self, path, config=None):
        with h5py.File(path, "w") as file:
            file.attrs["keras_version"], file.attrs["backend"] = b"2.2.4", b"tensorflow"
            file.attrs["model_config"] = json.dumps(config or self.config()).encode()
            weights = file.create_group("model_weights")
            weights.attrs["layer_names"] = [layer["name"].encode() for layer in self.layers]
            for name, arrays in self.arrays.items():
                group = weights.create_group(name)
                entries = [f"{name}/{part}:0".encode() for part in arrays]
                group.attrs["weight_names"] = entries
                for entry, array in zip(entries, arrays.values(), strict=True):
                    group.create_dataset(entry, data=array)


def official_input(image):
    """As the authors' script: imread gives BGR, cv2.resize, float32."""
    return cv2.resize(image[..., ::-1].copy(), (224, 224)).astype(np.float32)


@pytest.fixture(scope="module")
def batch():
    rng = torch.Generator().manual_seed(3)
    coarse = torch.rand(4, 3, 6, 6, generator=rng) * 255
    images = torch.nn.functional.interpolate(coarse, size=(100, 100), mode="bicubic").clamp(0, 255)
    return ScoreBatch([f"{i}.png" for i in range(4)], images.byte(), None, None, [None] * 4)


@pytest.fixture(scope="module")
def keras(batch):
    """A fabricated FaceQnet whose answers for the batch lie within [0, 1]."""
    images = [official_input(i) for i in batch.sr.permute(0, 2, 3, 1).numpy()]
    model = Keras(np.stack(images)).resnet()
    shift = 0.5 - float(model.values["main_output"].mean())
    model.arrays["main_output"]["bias"] += np.float32(shift)
    model.expected = model.values["main_output"][:, 0] + shift
    return model


@pytest.fixture
def weights(tmp_path, monkeypatch):
    return FabricatedWeights(tmp_path, monkeypatch)


def test_equals_keras_arithmetic(weights, keras, batch):
    weights.put("faceqnet_v0", keras.save)
    metric = FaceQnet()
    scores = metric.score(batch)["fiq"]
    assert (
        np.ptp(keras.expected) > 0.02 and (keras.expected > 0).all() and (keras.expected < 1).all()
    )
    np.testing.assert_allclose(scores, keras.expected, atol=1e-4)
    swapped = ScoreBatch(batch.keys, batch.sr.flip(1), None, None, batch.identities)
    assert np.abs(metric.score(swapped)["fiq"] - scores).max() > 1e-3  # RGB by mistake would show
    assert sum(len(step.state_dict()) > 0 for step in metric.quality.network.steps) == 53 + 53 + 2


def test_both_versions_and_shards(weights, keras, batch):
    weights.put("faceqnet_v1", keras.save)
    metric = FaceQnet("v1")
    assert metric.keys == ("fiq_v1",) and metric.higher_is_better and not metric.needs
    assert metric.settings()["network"] == "FaceQnet v1"
    assert metric.settings()["weights"] == "faceqnet_v1"
    assert_shards_agree(partial(FaceQnet, "v1"), batch)


def test_output_is_clamped(weights, keras, batch):
    high = {**keras.arrays, "main_output": dict(keras.arrays["main_output"])}
    high["main_output"]["bias"] = high["main_output"]["bias"] + np.float32(3)
    model = Keras(np.zeros((1, 224, 224, 3)))
    model.layers, model.arrays, model.output = keras.layers, high, keras.output
    weights.put("faceqnet_v0", model.save)
    assert FaceQnet().score(batch)["fiq"].tolist() == [1.0] * 4


def test_input_is_what_the_authors_feed():
    image = random_batch(1, 97).sr[0].permute(1, 2, 0).contiguous().numpy()
    np.testing.assert_array_equal(prepare(image).transpose(1, 2, 0), official_input(image))


def changed(keras, name, **config):
    """The architecture with one layer's description changed."""
    described = json.loads(json.dumps(keras.config()))
    layer = next(item for item in described["config"]["layers"] if item["name"] == name)
    layer["class_name"] = config.pop("class_name", layer["class_name"])
    layer["config"].update(config)
    return described


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("dropout_1", {"class_name": "Lambda", "function": ["code"]}, "dropout_1.*Lambda"),
        ("dense_1", {"class_name": "Model"}, "dense_1.*Model"),
        ("dense_1", {"activation": "swish"}, "dense_1.*swish"),
        ("dense_1", {"units": 9}, "dense_1"),
        ("conv2_1_3x3", {"dilation_rate": [2, 2]}, "conv2_1_3x3.*dilated"),
        ("conv2_1_3x3", {"padding": "causal"}, "conv2_1_3x3.*causal"),
        ("conv2_1_3x3", {"padding": "valid"}, "add_.*does not fit"),
        ("avg_pool", {"padding": "same"}, "avg_pool.*padding"),
        ("conv2_1_3x3/bn", {"axis": 1}, "conv2_1_3x3/bn.*axis 1"),
        ("base_input", {"batch_input_shape": [None, 112, 112, 3]}, "112.*not 224x224x3"),
    ],
)  # fmt: skip
def test_what_is_not_known_is_refused_by_name(weights, keras, name, change, said):
    weights.put("faceqnet_v0", partial(keras.save, config=changed(keras, name, **change)))
    with pytest.raises(WeightsError, match=said):
        FaceQnet()


def test_more_than_one_number_is_refused(weights, keras):
    described = json.loads(json.dumps(keras.config()))
    described["config"]["output_layers"] = [["dense_1", 0, 0]]
    weights.put("faceqnet_v0", partial(keras.save, config=described))
    with pytest.raises(WeightsError, match="not one number"):
        FaceQnet()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda file: file.attrs.__delitem__("model_config"), "without the architecture"),
        (lambda file: file.attrs.modify("model_config", b"{"), "cannot be read"),
        (lambda file: file.__delitem__("model_weights/dense_1"), "dense_1.*kernel"),
        (
            lambda file: file["model_weights/dense_1"].attrs.create("weight_names", [b"x:0"]),
            "cannot",
        ),
    ],
)
def test_damaged_files_are_refused(tmp_path, keras, damage, said):
    path = tmp_path / "FaceQnet.h5"
    keras.save(path)
    with h5py.File(path, "a") as file:
        damage(file)
    with pytest.raises(WeightsError, match=said):
        KerasGraph(keras_of(path))


def test_a_graph_that_bites_its_tail_is_refused(tmp_path, keras):
    described = json.loads(json.dumps(keras.config()))
    described["config"]["layers"][1]["inbound_nodes"] = [[["main_output", 0, 0, {}]]]
    keras.save(tmp_path / "loop.h5", described)
    with pytest.raises(WeightsError, match=r"conv1/7x7_s2.*does not exist"):
        keras_of(tmp_path / "loop.h5")


def test_no_hdf5_at_all(tmp_path):
    (tmp_path / "FaceQnet.h5").write_bytes(b"<html>not found</html>")
    with pytest.raises(WeightsError, match="cannot be read as a Keras 2 model"):
        keras_of(tmp_path / "FaceQnet.h5")


@pytest.mark.parametrize("version", ["v0", "v1"])
def test_missing_weights_are_told_with_the_command(weights, version):
    with pytest.raises(MissingRequirement, match=f"weights import FILE --as faceqnet_{version}"):
        FaceQnet(version)


def test_weights_and_h5py_are_told_together(weights, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingRequirement, match=r"--as faceqnet_v0; and .* pip install h5py$"):
        FaceQnet()


def test_a_file_that_is_no_model_is_not_imported_and_one_imported_by_mistake_can_be_replaced(
    weights, keras, tmp_path, capsys
):
    junk = tmp_path / "FaceQnet.h5"
    for content in (b"\x89HDF\r\n\x1a\n" + bytes(600), b"<html>quota</html>"):
        junk.write_bytes(content)
        with pytest.raises(WeightsError, match="cannot be read as a Keras 2 model"):
            import_file(junk, "faceqnet_v0")
    assert not read_pins()
    other = Keras(np.zeros((1, 224, 224, 3)))
    other.output = other.conv("conv", "base_input", 2, 3)  # a model, but another one
    other.save(junk)
    assert import_file(junk).pinned
    right = tmp_path / "right" / "FaceQnet.h5"
    right.parent.mkdir()
    keras.save(right)
    for name in (None, "faceqnet_v0"):
        with pytest.raises(WeightsError, match="--as faceqnet_v0 --replace"):
            import_file(right, name)
    with pytest.raises(WeightsError, match="not one number"):
        FaceQnet()
    assert weights_main(["import", str(right), "--as", "faceqnet_v0", "--replace"]) == 0
    assert "is recorded" in capsys.readouterr().out
    assert FaceQnet().settings()["weights_sha256"] == file_hash(right)[:16]


def test_an_unknown_version_is_refused():
    with pytest.raises(ConfigError, match="v0, v1"):
        FaceQnet("v2")
