"""What models of either kind share: they are written into a folder and pushed to the Hugging Face hub alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path as FilePath
from tempfile import TemporaryDirectory
from typing import Any

from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor

from flowdis.models.card import CardFacts, ModelCard
from flowdis.models.sources import CARD, CONFIG, WEIGHTS
from flowdis.models.storage import StoredConfig, write_model

__all__ = ["StoredModel"]


class StoredModel(PyTorchModelHubMixin, ABC):
    """A model that is saved as config.json, model.safetensors and README.md, its card, and in no other way."""

    config: Any

    @abstractmethod
    def card_facts(self, name: str = "path/to/this/folder") -> CardFacts:
        """What the model itself tells of for its card: what it is made of, and how it is used.

        Arguments:
            name: What the code on the card loads it by.
        """

    def save_pretrained(  # type: ignore[override]
        self, folder: str | FilePath, *, card: ModelCard | None = None
    ) -> None:
        """Writes the model into a folder, each file whole or not at all.

        Arguments:
            folder: The folder, made where it does not exist.
            card: What is said of it; what the model itself tells where left out, unless there is a card already.

        Raises:
            OSError: if the folder cannot be written.
        """
        self._save_into(FilePath(folder).expanduser(), card, "path/to/this/folder")

    def push_to_hub(  # type: ignore[override]
        self,
        name: str,
        *,
        card: ModelCard | None = None,
        private: bool | None = None,
        token: str | None = None,
        branch: str | None = None,
        message: str = "A model of flowdis",
        create_pr: bool | None = None,
    ) -> str:
        """Uploads the model to a repository of the Hugging Face hub, which is made where it does not exist.

        Arguments:
            name: The repository, such as "someone/turning-digits".
            card: What is said of the model, as `ModelCard.read("demo/model")` has it; what the model itself tells where
                left out.
            private: Whether a new repository is private.
            token: A hub token; that of `hf auth login` where left out.
            branch: The branch; the main one where left out.
            message: The message of the commit.
            create_pr: Whether to open a pull request rather than commit.

        Returns:
            The address of the commit.

        Raises:
            huggingface_hub.errors.HfHubHTTPError: if the hub refuses.
        """
        from huggingface_hub import HfApi

        api = HfApi(token=token)
        with TemporaryDirectory() as folder:
            self._save_into(FilePath(folder), card, name)
            made = api.create_repo(repo_id=name, private=private, exist_ok=True).repo_id
            commit = api.upload_folder(
                repo_id=made,
                repo_type="model",
                folder_path=folder,
                commit_message=message,
                revision=branch,
                create_pr=create_pr,
                allow_patterns=[CONFIG, WEIGHTS, CARD, "*.png", "*.gif"],
            )
        return str(commit)

    def _save_into(self, folder: FilePath, card: ModelCard | None, name: str) -> None:
        config: StoredConfig = self.config
        weights: Mapping[str, Tensor] = self.state_dict()  # type: ignore[attr-defined]
        write_model(folder, config, weights)
        if card is not None or not (folder / CARD).is_file():
            (card or ModelCard.of(self.card_facts(name))).write(folder)
