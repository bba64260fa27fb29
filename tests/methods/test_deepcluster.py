import io
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from sslviz.encoders import create_encoder
from sslviz.methods import DeepCluster, TrainingImages
from sslviz.methods.deepcluster import weighted_cross_entropy
from sslviz.methods.parts.clusters import ITERATIONS, clusters_of
from sslviz.runtime.random_state import seeded

from .contract import draw_batch
from .toys import normal


def begun(method, features, epoch=1, seed=0):
    features = F.pad(features, (0, method.encoder.dim - features.shape[1]))
    with seeded(seed):
        method.epoch_begins(epoch, TrainingImages(np.zeros((len(features), 32, 32, 3), np.uint8), lambda: features))
    return method


def blobs(sizes, dim=6):
    """Features of groups far apart, and the group of each."""
    groups = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    return 20 * torch.eye(dim)[groups] + normal(len(groups), dim, seed=1), groups


def a_method(**settings):
    return DeepCluster(create_encoder("conv_nano"), **settings)


def test_planted_groups_are_the_clusters():
    features, groups = blobs([40, 30, 20, 10])
    found = begun(a_method(clusters=4, components=3), features).assignments
    assert adjusted_rand_score(groups, found) == 1


def test_clusters_are_those_of_whitened_features_of_length_one():
    x = (normal(200, 5) @ normal(5, 5, seed=1)).double().numpy()
    u = np.linalg.svd(x - x.mean(0), full_matrices=False)[0][:, :3]  # the principal components, each of unit length
    unit = u / np.linalg.norm(u, axis=1, keepdims=True)
    expected = KMeans(7, n_init=1, max_iter=ITERATIONS, random_state=3).fit_predict(unit)
    assert adjusted_rand_score(clusters_of(x, 7, 3, seed=3)[0], expected) == 1


def test_torchs_generator_decides_the_clusters():
    features = normal(100, 6)
    one, again, other = (begun(a_method(clusters=9), features, seed=s).assignments for s in (0, 0, 1))
    assert torch.equal(one, again) and not torch.equal(one, other)


def test_no_cluster_is_empty():
    features = torch.cat([normal(90, 4) * 0.01, 5 + normal(10, 4)])
    found = begun(a_method(clusters=20), features).assignments
    assert len(found.unique()) == 20


@pytest.mark.parametrize("n", [2, 5])
def test_fewer_pictures_than_clusters_are_a_cluster_each(n):
    method = begun(a_method(clusters=64), normal(n, 8))
    assert len(method.assignments.unique()) == n


def test_weights_make_every_cluster_count_alike():
    """The mean over all pictures is then that of sampling a cluster first, and one of its pictures afterwards (§3.3)."""
    features, groups = blobs([50, 30, 15, 5])
    method = begun(a_method(clusters=4, components=3), features)
    logits = normal(100, 4, seed=2)
    losses = F.cross_entropy(logits, method.assignments, reduction="none")
    expected = sum(losses[groups == g].mean() for g in range(4)) / 4
    loss = weighted_cross_entropy(logits, method.weights, targets=method.assignments)
    torch.testing.assert_close(loss, expected)
    plain = begun(a_method(clusters=4, components=3, reweighting=False), features)
    torch.testing.assert_close(weighted_cross_entropy(logits, plain.weights, targets=plain.assignments), losses.mean())


def test_the_classifier_begins_as_the_nearest_centre():
    features = torch.randn(300, 128, generator=torch.Generator().manual_seed(0)) * torch.linspace(0.1, 3, 128) + 5
    method = a_method(clusters=10, components=20)
    with torch.no_grad():
        method.projector.weight.fill_(7.0)
    begun(method, features)
    assert (method.projector(features).argmax(1) == method.assignments).float().mean() > 0.9
    first = method.assignments.clone()
    assert not torch.equal(begun(method, features, epoch=2, seed=1).assignments, first)


def test_a_classifier_that_knows_nothing_is_at_chance():
    loss = weighted_cross_entropy(torch.zeros(6, 5), torch.ones(5), targets=torch.arange(6) % 5)
    assert loss.item() == pytest.approx(math.log(5), abs=1e-6)


def test_each_picture_is_asked_for_its_own_cluster():
    batch = draw_batch(DeepCluster.views)
    method = begun(a_method(clusters=8), normal(40, 8)).eval()
    batch.rows = torch.tensor([3, 39, 0, 7, 8, 11, 20, 1])
    with torch.no_grad():
        method.projector.weight.normal_(generator=torch.Generator().manual_seed(0))
        log_p = method.projector(method.encoder(batch.views[0][0])).log_softmax(1)
    own = [float(-log_p[i, k] * method.weights[k]) for i, k in enumerate(method.assignments[batch.rows])]
    assert method.loss(batch).item() == pytest.approx(sum(own) / 8, rel=1e-4)


def test_assignments_come_back_bit_for_bit_whatever_was_there_before():
    method = begun(a_method(clusters=9), normal(100, 8))
    file = io.BytesIO()
    torch.save(method.state_dict(), file)
    for other in (a_method(clusters=9), begun(a_method(clusters=9), normal(30, 8, seed=1))):
        file.seek(0)
        other.load_state_dict(torch.load(file, weights_only=True))
        assert torch.equal(other.assignments, method.assignments) and torch.equal(other.weights, method.weights)


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="2 clusters"):
        a_method(clusters=1)
