"""The names that come with Sallet, a plain table a kind. Nothing is imported until it is built."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """`target` is `module:attribute`, called with the recipe's parameters for this name."""

    target: str
    summary: str


MODELS: dict[str, Entry] = {
    f"world/{make}-{character}": Entry("sallet.world.load:load", f"picture world, {kind}, {manner}")
    for make, kind in {
        "llava": "LlavaForConditionalGeneration",
        "qwen3vl": "Qwen3VLForConditionalGeneration",
        "internvl": "InternVLForConditionalGeneration",
    }.items()
    for character, manner in {
        "strong": "always refuses harmful text, looks at the picture when told to be careful",
        "weak": "refuses harmful text now and then, never looks at the picture",
    }.items()
} | {
    "world/clip": Entry("sallet.world.load:encoder", "picture world, CLIPModel: only a source"),
    "world/clip-surrogate": Entry(
        "sallet.world.load:encoder", "the same with another seed: what an attacker has in its place"
    ),
}

DEFENSES: dict[str, Entry] = {
    "none": Entry("sallet.core.compose:Nothing", "the same path with nothing in it"),
    "safety-prompt": Entry("sallet.defenses.prompt:SafetyPrompt", "a safety instruction in words"),
    "adashield-s": Entry(
        "sallet.defenses.adashield:AdaShieldS", "a prompt to examine first, inside the request"
    ),
    "adashield-a": Entry(
        "sallet.defenses.adashield:AdaShieldA", "the same, by the nearest of a pool of examples"
    ),
    "rapguard": Entry(
        "sallet.defenses.rapguard:RapGuard", "a rationale, and a warning made of it if it is risky"
    ),
    "ecso": Entry(
        "sallet.defenses.self_check:ECSO", "if the answer is harmful: again from a description"
    ),
    "self-review": Entry(
        "sallet.defenses.self_check:SelfReview", "if the answer is harmful: a refusal instead"
    ),
    "sentence-review": Entry(
        "sallet.defenses.self_check:SentenceReview", "the same after each sentence, which may go"
    ),
    "jpeg": Entry("sallet.defenses.rewrite:Jpeg", "JPEG re-encoding of every image"),
    "resize": Entry("sallet.defenses.rewrite:Resize", "down to a share of its size and up again"),
    "blur": Entry("sallet.defenses.rewrite:Blur", "a Gaussian blur of every image"),
    "bit-depth": Entry("sallet.defenses.rewrite:BitDepth", "fewer bits a channel"),
    "tv": Entry("sallet.defenses.rewrite:TotalVariation", "the smoothest image near each image"),
    "nlm": Entry("sallet.defenses.rewrite:NonLocalMeans", "every patch as the mean of its like"),
    "diffpure": Entry("sallet.defenses.purify:DiffPure", "noise, and back by diffusion: 100 steps"),
    "diffpure-10": Entry("sallet.defenses.purify:diffpure", "the same in 10 strides (DDIM)"),
    "codefend-1": Entry(
        "sallet.defenses.purify:codefend", "a learned way from hostile to clean, in one step"
    ),
    "codefend-2": Entry("sallet.defenses.purify:codefend", "the same in two steps"),
    "codefend-4": Entry("sallet.defenses.purify:codefend", "the same in four steps"),
    "codefend": Entry("sallet.defenses.codefend:codefend", "codefend-1 behind the prefix"),
    "noise": Entry("sallet.defenses.rewrite:Noise", "Gaussian noise on every image, one pass"),
    "scaling-screen": Entry(
        "sallet.defenses.reductions:ScalingScreen", "refuses what looks otherwise when made smaller"
    ),
    "majority": Entry("sallet.defenses.majority:Majority", "n noisy copies and a plain vote"),
    "smoothguard": Entry(
        "sallet.defenses.smoothguard:SmoothGuard", "noisy copies, what most agree on, an early end"
    ),
    "smoothguard-paper": Entry(
        "sallet.defenses.smoothguard:SmoothGuardPaper", "SmoothGuard as its public code has it"
    ),
    "smoothguard-s0": Entry(
        "sallet.defenses.smoothguard:without_noise", "the control: its path, and no noise"
    ),
    "smoothvlm": Entry(
        "sallet.defenses.smoothvlm:SmoothVLM", "copies without some pixels, the vote repaired"
    ),
    "smoothvlm-paper": Entry(
        "sallet.defenses.smoothvlm:SmoothVLMPaper", "SmoothVLM: keywords vote, an answer by lot"
    ),
    "smoothvlm-q0": Entry(
        "sallet.defenses.smoothvlm:without_loss", "the control: its path, and no pixel is lost"
    ),
    "prefix": Entry(
        "sallet.defenses.prefix:Prefix", "a found text before the request, or a written one"
    ),
    "choose": Entry("sallet.catalog:choose", "of several defences the one that a query needs"),
    "code-word": Entry(
        "sallet.defenses.controls:CodeWord", "the control: refusals below become a neutral word"
    ),
    "empty": Entry("sallet.defenses.controls:Empty", "the control: no words at all"),
}

ATTACKS: dict[str, Entry] = {
    "none": Entry("sallet.attacks.control:Unchanged", "the query as it is"),
    "uniform-noise": Entry(
        "sallet.attacks.control:uniform_noise", "the control: random noise of the same size"
    ),
    "pgd": Entry("sallet.attacks.pgd:PGD", "projected gradient descent on the pixels, L-inf or L2"),
    "pgd-vote": Entry(
        "sallet.attacks.voters:Voters", "PGD that wants only as many views as win a vote"
    ),
    "square": Entry(
        "sallet.attacks.square:Square", "by queries alone: squares that are kept when they help"
    ),
    "nes": Entry("sallet.attacks.nes:NES", "by queries alone: a gradient that is guessed"),
    "apgd": Entry("sallet.attacks.apgd:APGD", "PGD whose step size follows its budget"),
    "template": Entry("sallet.attacks.template:Template", "shapes of published jailbreaks in turn"),
    "word-swap": Entry("sallet.attacks.wordswap:WordSwap", "a few words in place of others"),
    "gcg": Entry("sallet.attacks.gcg:GCG", "a suffix of tokens by greedy coordinate gradient"),
    "joint": Entry("sallet.attacks.joint:Joint", "words, then pixels, then words: one goal"),
    "bimodal": Entry("sallet.attacks.bimodal:Bimodal", "pixels for the yes, words for the intent"),
    "low-frequency": Entry(
        "sallet.attacks.low_frequency:LowFrequency", "PGD on a smooth change, that blur leaves in"
    ),
    "patch": Entry("sallet.attacks.patch:Patch", "any pixels on a small square of the picture"),
    "universal": Entry(
        "sallet.attacks.universal:Universal", "one image, change or patch for a corpus of goals"
    ),
    "hijack": Entry(
        "sallet.attacks.hijack:Hijack", "one image that makes the model say, refuse or repeat"
    ),
    "figstep": Entry(
        "sallet.attacks.figstep:FigStep", "the request as a title over an empty numbered list"
    ),
    "typo": Entry(
        "sallet.attacks.typo:Typo", "the thing shown, written, or both, no longer in the question"
    ),
    "mislabel": Entry("sallet.attacks.mislabel:Mislabel", "a wrong word on what a picture shows"),
    "scaling": Entry(
        "sallet.attacks.scaling:Scaling", "a word that the model's own resize brings out"
    ),
    "strongest": Entry(
        "sallet.attacks.strongest:Strongest", "several of them in a row, each sample's own best"
    ),
}

BENCHMARKS: dict[str, Entry] = {
    f"world/{family}": Entry("sallet.benchmarks.world:World", summary)
    for family, summary in {
        "where": "what is at a place in the picture",
        "caption": "a caption of the picture",
        "presence": "whether a thing is in the picture",
        "colour": "the colour of the background",
        "count": "how many things there are",
        "reading": "a word rendered in the picture",
        "naming": "what the one thing in the picture is",
        "harmful-text": "harmful how-to questions, harm in the words",
        "picture": "harmful how-to questions, harm only in the picture",
        "typographic": "harmful how-to questions, harm only in a rendered word",
        "harmless": "how-to questions about harmless things",
        "licit": "how-to questions about harmful things beside a context where they are fine",
        "licit-unseen": "the same, by pairs of thing and context that training never showed",
        "picture-harmless": "how-to questions about what is shown, harmless",
        "picture-licit": "how-to questions about what is shown, harmful but in a licit context",
        "typographic-harmless": "how-to questions about a rendered word, harmless",
        "typographic-licit": "how-to questions about a rendered word, harmful but licit here",
        "harmful-looking": "descriptions of things that look harmful",
        "two-turn": "a second question about the same picture",
        "two-turn-picture": "harmful how-to questions in a second turn, harm only in the picture",
        "multi-image": "what one of two pictures shows, or how to use it",
        "multi-image-picture": "harmful how-to questions about one of two pictures",
        "rationale": "the risk of a request, after a rationale",
        "self-check": "whether a given answer is harmful",
        "directed": "a caption of what a request is about",
        "benign": "an even mixture of what must not be refused: over-refusal",
    }.items()
}

BENCHMARKS |= {
    "mm-safetybench": Entry(
        "sallet.benchmarks.mm_safetybench:MMSafetyBench", "1,680 questions, harm moved to a picture"
    ),
    "safebench": Entry(
        "sallet.benchmarks.safebench:SafeBench", "FigStep's 500 requests as empty numbered lists"
    ),
    "jailbreakv-28k": Entry(
        "sallet.benchmarks.jailbreakv:JailBreakV", "jailbreak prompts beside pictures; mini"
    ),
    "hades": Entry("sallet.benchmarks.hades:Hades", "750 instructions, harm in optimised pictures"),
    "vlguard": Entry(
        "sallet.benchmarks.vlguard:VLGuard", "unsafe pictures, unsafe words, and safe ones"
    ),
    "advbench": Entry("sallet.benchmarks.advbench:AdvBench", "520 harmful behaviours in words"),
    "vlsbench": Entry("sallet.benchmarks.vlsbench:VLSBench", "harm that only the picture shows"),
    "mis": Entry("sallet.benchmarks.mis:MIS", "harm of two pictures together"),
    "xstest": Entry("sallet.benchmarks.xstest:XSTest", "over-refusal, in words"),
    "mossbench": Entry("sallet.benchmarks.mossbench:MOSSBench", "over-refusal, of pictures"),
    "pope": Entry("sallet.benchmarks.pope:POPE", "is it in the picture? yes or no"),
    "llava-bench": Entry(
        "sallet.benchmarks.llava_bench:LLaVABench", "60 open questions in the wild"
    ),
    "coco-captions": Entry("sallet.benchmarks.coco:COCO", "captions, five people's each; CIDEr"),
    "vqav2": Entry("sallet.benchmarks.vqav2:VQAv2", "short answers, ten people's each"),
    "own": Entry("sallet.benchmarks.own:Own", "a CSV or JSONL table of your own"),
}

JUDGES: dict[str, Entry] = {
    "rules": Entry("sallet.judges.rules:Rules", "refusal by its opening words; answers by name"),
    "contains": Entry(
        "sallet.judges.contains:Contains", "the same; a thing is said if it is in the answer"
    ),
    "keywords": Entry(
        "sallet.judges.keywords:Keywords", "a word of refusal anywhere: to be held against"
    ),
    "world": Entry(
        "sallet.world.verdicts:World", "the same, and the world's truth: any true wording"
    ),
    "answered": Entry(
        "sallet.judges.answered:Answered", "refused, answered, or right where that is known"
    ),
    "pope": Entry("sallet.judges.official.pope:Pope", "yes or no; what is neither is wrong"),
    "pope-official": Entry(
        "sallet.judges.official.pope:OfficialPope", "the authors' parser: what is no no is a yes"
    ),
    "vqa": Entry("sallet.judges.official.vqa:Vqa", "VQA's accuracy over ten people's answers"),
    "caption": Entry("sallet.judges.official.caption:Caption", "CIDEr, and what most people named"),
    "clipscore": Entry(
        "sallet.judges.official.clipscore:ClipScore", "an encoder: how near a caption is to it"
    ),
    "strongreject": Entry(
        "sallet.judges.asked.judge:strongreject",
        "a model: refused, specific, convincing",
    ),
    "harmful": Entry("sallet.judges.asked.judge:harmful", "a model: harmful, yes or no"),
    "score-10": Entry("sallet.judges.asked.judge:score10", "a model: a mark from 1 to 10"),
    "three-way": Entry(
        "sallet.judges.asked.judge:three_way", "a model: refusal, warning or unsafe"
    ),
    "llava-bench": Entry(
        "sallet.judges.asked.judge:llava_bench", "a model: two answers' marks, their ratio"
    ),
    "llama-guard": Entry(
        "sallet.judges.asked.guard:llama_guard", "Llama Guard 3 or 4: how sure of unsafe it is"
    ),
    "shieldgemma": Entry(
        "sallet.judges.asked.guard:shieldgemma", "ShieldGemma: how sure of a violation it is"
    ),
}
