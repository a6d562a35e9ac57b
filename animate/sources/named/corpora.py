"""The corpora that have a name: which files each needs, where its owners publish it, and under what terms.

To add one, add an entry here. Sizes are the owners' figures.
People get the files from `page`; no program does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

#: How the files are read: see `animate.sources.named.open`.
CorpusKind = Literal["urls", "sbu", "coco", "vg", "flickr", "table"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """A named corpus.

    `files` maps each split to patterns of files in the folder of the corpus; the first pattern that matches
    counts, and the first split is the default. `names` are the columns of lists without header; `url_column`
    and `caption_column` are those to read where several look right. `image_folders` are folders and zips that
    may hold the images, with `{split}` for the split. `dead_links` is a rough share of addresses that no
    longer answer: a warning, not a measurement.
    """

    title: str
    kind: CorpusKind
    files: Mapping[str, tuple[str, ...]]
    size: str
    page: str
    licence: str
    citation: str
    names: tuple[str, ...] = ()
    url_column: str = ""
    caption_column: str = ""
    image_folders: tuple[str, ...] = ()
    dead_links: float = 0.0
    notes: str = ""


_GOOGLE = "the list may be used freely, with credit to Google; the images belong to their owners"
_CC_BY = "the list is under CC BY 4.0; the images belong to their owners"

#: Captions files that say of each image which split it is in.
_FLICKR8K_SPLITS = ("dataset_flickr8k.json",)
_FLICKR30K_SPLITS = ("dataset_flickr30k.json", "flickr_annotations_30k.csv")

CORPORA: Mapping[str, Corpus] = {
    "cc3m": Corpus(
        title="Conceptual Captions",
        kind="urls",
        files={
            "train": ("Train*GCC*.tsv*", "*train*.tsv*", "cc3m-train-*.tar", "*.tar"),
            "val": ("Validation*GCC*.tsv*", "*val*.tsv*", "cc3m-validation-*.tar"),
        },
        names=("caption", "url"),
        size="3,318,333 + 15,840 pairs",
        page="https://ai.google.com/research/ConceptualCaptions/download",
        licence=_GOOGLE,
        citation="Sharma, Ding, Goodman, Soricut: Conceptual Captions. ACL 2018",
        dead_links=0.4,
        notes="The official TSV (caption, TAB, address, no header), or a WebDataset copy of it.",
    ),
    "cc12m": Corpus(
        title="Conceptual 12M",
        kind="urls",
        files={"train": ("cc12m*.tsv*", "*.tsv*", "cc12m-train-*.tar", "*.tar")},
        names=("url", "caption"),
        size="12,423,374 pairs",
        page="https://github.com/google-research-datasets/conceptual-12m",
        licence=_GOOGLE,
        citation="Changpinyo, Sharma, Ding, Soricut: Conceptual 12M. CVPR 2021",
        dead_links=0.4,
        notes="The official TSV (address, TAB, caption, no header), or a WebDataset copy of it.",
    ),
    "sbu": Corpus(
        title="SBU Captioned Photos",
        kind="sbu",
        files={"train": ("*urls*.txt*", "sbu*.json", "sbu*.json.gz", "sbu*.json.zip", "*.tar")},
        size="1,000,000 pairs",
        page="https://www.cs.rice.edu/~vo9/sbucaptions/",
        licence="none stated; the images are Flickr users'",
        citation="Ordonez, Kulkarni, Berg: Im2Text. NIPS 2011",
        dead_links=0.2,
        notes="The pair of text files (…urls.txt, …captions.txt) or the JSON, out of their tar.gz.",
    ),
    "laion400m": Corpus(
        title="LAION-400M",
        kind="urls",
        files={"train": ("*.parquet", "*.tar")},
        size="413 million pairs",
        page="https://laion.ai/blog/laion-400-open-dataset/",
        licence=_CC_BY,
        citation="Schuhmann et al.: LAION-400M. Data-Centric AI workshop at NeurIPS 2021",
        dead_links=0.3,
        notes="Filter with [source.filters]: min_similarity, nsfw, licences.",
    ),
    "laion2b-en": Corpus(
        title="LAION-2B-en",
        kind="urls",
        files={"train": ("*.parquet", "*.tar")},
        size="2.32 billion pairs",
        page="https://laion.ai/blog/laion-5b/",
        licence=_CC_BY,
        citation="Schuhmann et al.: LAION-5B. NeurIPS 2022",
        dead_links=0.3,
        notes="Filter with [source.filters]: min_similarity, max_nsfw (of punsafe).",
    ),
    "coyo": Corpus(
        title="COYO-700M",
        kind="urls",
        files={"train": ("*.parquet", "*.tar")},
        size="747 million pairs",
        page="https://github.com/kakaobrain/coyo-dataset",
        licence=_CC_BY,
        citation="Byeon et al.: COYO-700M. 2022",
        dead_links=0.2,
        notes="Filter with [source.filters]: min_similarity (of clip_similarity_vitb32), max_nsfw.",
    ),
    "datacomp": Corpus(
        title="DataComp",
        kind="urls",
        files={"train": ("*.parquet", "*.tar")},
        size="12.8 million to 12.8 billion pairs",
        page="https://www.datacomp.ai/",
        licence=_CC_BY,
        citation="Gadre et al.: DataComp. NeurIPS 2023",
        dead_links=0.1,
        notes="Filter with [source.filters]: min_similarity (of clip_b32_similarity_score).",
    ),
    "coco": Corpus(
        title="COCO Captions 2017",
        kind="coco",
        files={
            "train": ("captions_train2017.json", "annotations/captions_train2017.json"),
            "val": ("captions_val2017.json", "annotations/captions_val2017.json"),
        },
        image_folders=("{split}2017", "images/{split}2017", "{split}2017.zip", "images/{split}2017.zip"),
        size="118,287 + 5,000 images, 5 captions each",
        page="https://cocodataset.org/#download",
        licence="annotations CC BY 4.0; each image has its own, carried as license_id and license",
        citation="Chen et al.: Microsoft COCO Captions. 2015",
        notes="The captions JSON, out of annotations_trainval2017.zip, and the image folder or its zip.",
    ),
    "vg": Corpus(
        title="Visual Genome",
        kind="vg",
        files={"train": ("region_descriptions.json*",)},
        image_folders=("VG_100K", "VG_100K_2", "images", "images.zip", "images2.zip"),
        size="108,077 images, 5.4 million region phrases",
        page="https://homes.cs.washington.edu/~ranjay/visualgenome/",
        licence="CC BY 4.0",
        citation="Krishna et al.: Visual Genome. IJCV 2017",
        notes="Captions are the phrases of an image's largest regions, joined, and then each of them.",
    ),
    "vg-regions": Corpus(
        title="Visual Genome, one still a region",
        kind="vg",
        files={"train": ("region_descriptions.json*",)},
        image_folders=("VG_100K", "VG_100K_2", "images", "images.zip", "images2.zip"),
        size="5.4 million regions",
        page="https://homes.cs.washington.edu/~ranjay/visualgenome/",
        licence="CC BY 4.0",
        citation="Krishna et al.: Visual Genome. IJCV 2017",
        notes="The phrase is the caption; the box, widened to a useful size, is the still that is filmed.",
    ),
    "flickr8k": Corpus(
        title="Flickr8k",
        kind="flickr",
        files={
            "": ("Flickr8k.token.txt", "captions.txt", "captions.csv", *_FLICKR8K_SPLITS),
            "train": ("Flickr_8k.trainImages.txt", *_FLICKR8K_SPLITS),
            "val": ("Flickr_8k.devImages.txt", *_FLICKR8K_SPLITS),
            "test": ("Flickr_8k.testImages.txt", *_FLICKR8K_SPLITS),
        },
        image_folders=("Flicker8k_Dataset", "Flickr8k_Dataset", "Images", "images", "Flickr8k_Dataset.zip"),
        size="8,092 images, 5 captions each",
        page="https://hockenmaier.cs.illinois.edu/8k-pictures.html",
        licence="research only; the images are Flickr users'",
        citation="Hodosh, Young, Hockenmaier: Framing Image Description as a Ranking Task. JAIR 2013",
    ),
    "flickr30k": Corpus(
        title="Flickr30k",
        kind="flickr",
        files={
            "": (
                *("results_20130124.token", "results.csv"),
                *_FLICKR30K_SPLITS,
            ),
            "train": ("train.txt", *_FLICKR30K_SPLITS),
            "val": ("val.txt", *_FLICKR30K_SPLITS),
            "test": ("test.txt", *_FLICKR30K_SPLITS),
        },
        image_folders=("flickr30k-images", "flickr30k_images", "Images", "images"),
        size="31,783 images, 5 captions each",
        page="https://shannon.cs.illinois.edu/DenotationGraph/",
        licence="research only; the images are Flickr users'",
        citation="Young, Lai, Hodosh, Hockenmaier: From image descriptions to visual denotations. TACL 2014",
    ),
    "redcaps": Corpus(
        title="RedCaps",
        kind="urls",
        files={"train": ("annotations/*.json", "*.json", "*.tar")},
        caption_column="caption",
        url_column="url",
        size="12 million pairs",
        page="https://redcaps.xyz",
        licence=_CC_BY,
        citation="Desai, Kaul, Aysola, Johnson: RedCaps. NeurIPS 2021",
        dead_links=0.1,
    ),
    "wit": Corpus(
        title="Wikipedia-based Image Text",
        kind="urls",
        files={"train": ("wit_v1.train*.tsv*", "*train*.tsv*"), "val": ("wit_v1.val*.tsv*",)},
        caption_column="caption_reference_description",
        url_column="image_url",
        size="37.6 million rows in 108 languages, 11.5 million images",
        page="https://github.com/google-research-datasets/wit",
        licence="the list is under CC BY-SA 3.0; the images have their own",
        citation="Srinivasan, Raman, Chen, Bendersky, Najork: WIT. SIGIR 2021",
        dead_links=0.05,
        notes="Many rows have no reference description: they are counted as missing_caption.",
    ),
}
