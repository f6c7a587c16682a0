import pytest

from tests.training.toys import tiny_folder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder of a two-layer policy with tied embeddings."""
    return tiny_folder(tmp_path_factory.mktemp("policy") / "tiny")
