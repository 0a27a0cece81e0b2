"""Which weights the field has published, in which forms, by whom and under what terms. Facts only: we ship none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Form:
    """One form of a network that files come in. name: "" for an only one. facts: what `networks.build` takes."""

    name: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Release:
    """What to get. variant: the form's name. origin: the project and where its authors keep the file."""

    network: str
    variant: str
    files: str
    origin: str
    licence: str


_BGM2 = ("mobilenetv2", "resnet50", "resnet101")
_TCVOM = ("gca", "dim", "index", "fba")

# The usual form first. A name's beginning chooses: "resnet50" takes in "resnet50-fast".
FORMS: Mapping[str, tuple[Form, ...]] = {
    "rvm": tuple(
        Form(f"{backbone}{short}", {"backbone": backbone, "refiner": refiner})
        for refiner, short in (("deep_guided_filter", ""), ("fast_guided_filter", "-fast"))
        for backbone in ("mobilenetv3", "resnet50")
    ),
    "bgm1": (Form(), Form("small", {"shared": 5, "own": 2})),
    "bgm2": tuple(
        Form(f"{backbone}{'' if kernel == 3 else '-k1'}", {"backbone": backbone, "kernel": kernel})
        for kernel in (3, 1)
        for backbone in _BGM2
    ),
    "context_aware": (Form("colour", {"foreground": True}), Form("alpha", {"foreground": False})),
    "context_motion": tuple(Form(encoder, {"encoder": encoder}) for encoder in ("resnet50", "resnet18", "mobilenetv2")),
    "dim": (
        *(
            Form(
                f"vgg16{'-k1' if kernel == 1 else ''}{'-refined' if refine else ''}",
                {"kernel": kernel, "refine": refine},
            )
            for kernel in (3, 1)
            for refine in (False, True)
        ),
        Form("segnet", {"form": "segnet"}),
    ),
    "tcvom": tuple(
        Form(base if attend else f"{base}-single", {"base": base, "attend": attend})
        for base in _TCVOM
        for attend in (True, False)
    ),
}

_RVM = "Robust Video Matting, the release v1.0.0 of its project page"
_BGM = "BackgroundMattingV2, the release v1.0.0 of its project page"
_DIM = "the releases of huochaitiantang's pytorch-deep-image-matting project page"
_CAM = "Context-Aware Image Matting, the model link of its project page, its variables saved by name as .npz"
_ADOBE = "non-commercial, trained on Adobe's set"
_ACADEMIC = "academic and non-commercial use only"

RELEASES: tuple[Release, ...] = (
    Release("rvm", "mobilenetv3", "rvm_mobilenetv3.pth", _RVM, "GPL-3.0, as its code"),
    Release("rvm", "resnet50", "rvm_resnet50.pth", _RVM, "GPL-3.0, as its code"),
    Release(
        "bgm1",
        "",
        "netG_epoch_*.pth",
        "Background Matting, the Models folder that its project page links",
        "CC BY-NC-SA 4.0, non-commercial",
    ),
    *(Release("bgm2", name, f"pytorch_{name}.pth", _BGM, "MIT") for name in _BGM2),
    Release("context_aware", "colour", "model.tgz, lap_fea_da_color", _CAM, "research purposes only"),
    Release("context_aware", "alpha", "model.tgz, lap or lap_fea_da", _CAM, "research purposes only"),
    Release("dim", "vgg16", "stage1_skip_sad_52.9.pth (for others: --set dim.skip=false)", _DIM, _ADOBE),
    Release("dim", "vgg16-k1", "stage1_norm_balance_sad_58.7.pth", _DIM, _ADOBE),
    Release("dim", "vgg16-k1-refined", "stage2_norm_balance_sad_57.9.pth", _DIM, _ADOBE),
    Release(
        "dim", "segnet", "a state_dict saved from BEST_checkpoint.tar", "foamliu's Deep-Image-Matting page", _ADOBE
    ),
    Release("fba", "", "FBA.pth", "FBA Matting, the model link of its project page", _ADOBE),
    Release("gca", "", "gca-dist-all-data.pth or gca-dist.pth", "GCA-Matting, the links of its project page", _ADOBE),
    *(
        Release(
            "tcvom", base, f"the {base} file that ends in TAM_Lim_Ltc_Laf.pth", "TCVOM, its project page", _ACADEMIC
        )
        for base in _TCVOM
    ),
    *(
        Release(
            "tcvom",
            f"{base}-single",
            f"the {base} file that ends in SINGLE_Lim.pth",
            "TCVOM, its project page",
            _ACADEMIC,
        )
        for base in _TCVOM
    ),
    Release("stcn", "", "stcn.pth", "STCN, the links of its project page", "none stated; its code is MIT"),
    Release("hmmn", "", "HMMN_weights.pth", "HMMN, the link of its project page", "CC BY-NC-SA 4.0, non-commercial"),
    Release("tgm", "", "trimap_ep150.pth", "TCVOM, its project page", _ACADEMIC),
    Release("dvm", "", "best_net_Base.pth", "Deep Video Matting, its project page", "none stated"),
)


def forms_of(network: str) -> tuple[Form, ...]:
    """A network's forms, the usual one first."""
    return FORMS.get(network, (Form(),))
