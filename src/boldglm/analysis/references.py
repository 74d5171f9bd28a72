"""What methods sections cite: the one source of every reference, as text and as BibTeX."""

from collections.abc import Iterable
from dataclasses import dataclass

FULL_LIST = 6  # authors up to which a reference names all of them
AND_OTHERS = "and others"
SOFTWARE = "boldglm"  # key of the program itself
CODE_URL = "https://github.com/boldglm/boldglm"


@dataclass(frozen=True)
class Reference:
    """A reference.

    Parameters
    ----------
    key : str
        In BibTeX.
    authors : str
        As in BibTeX: ``"Friston, K. J. and Holmes, A. P."``, which may end in ``"and others"``.
    year : str
        Of publication; empty for software and specifications.
    title, journal : str
        The journal is empty for what is not an article.
    volume, number, pages : str
        Of an article; pages may be the number of an article.
    doi, url : str
        Where it is; a DOI if there is one.
    version : str
        Of software.
    """

    key: str
    authors: str
    year: str
    title: str
    journal: str = ""
    volume: str = ""
    number: str = ""
    pages: str = ""
    doi: str = ""
    url: str = ""
    version: str = ""

    @property
    def text(self) -> str:
        """The reference as it is printed, with the DOI as ``doi:10.…``.

        Examples
        --------
        >>> print(REFERENCES["Meier, 1953"].text)
        Meier P (1953). Variance of a weighted mean. Biometrics 9:59-73. doi:10.2307/3001633
        """
        year = f" ({self.year})" if self.year else ""
        place = f"{self.journal} {self.volume}:{self.pages}. " if self.journal else ""
        version = f", version {self.version}" if self.version else ""
        where = f"doi:{self.doi}" if self.doi else self.url
        return f"{self._names()}{year}. {self.title}{version}. {place}{where}".rstrip()

    @property
    def bibtex(self) -> str:
        """The reference as an entry of a ``.bib`` file."""
        kind = "article" if self.journal else "misc"
        if self.key == SOFTWARE:
            kind = "software"
        fields = {
            "author": self.authors,
            "title": f"{{{self.title}}}",  # styles do not change its case
            "year": self.year,
            "journal": self.journal,
            "volume": self.volume,
            "number": self.number,
            "pages": self.pages.replace("-", "--"),
            "version": self.version,
            "doi": self.doi,
            "url": "" if self.doi else self.url,
        }
        lines = [
            f"  {name} = {{{value.replace(' & ', f' {chr(92)}& ')}}}"
            for name, value in fields.items()
            if value
        ]
        return f"@{kind}{{{self.key},\n" + ",\n".join(lines) + "\n}\n"

    def _names(self) -> str:
        """Return authors as ``Friston KJ, Holmes AP``, the first of many, or an institution."""
        if self.authors.startswith("{"):
            return self.authors.strip("{}")
        names = self.authors.removesuffix(AND_OTHERS).strip().split(" and ")
        short = [f"{last} {_initials(first)}" for last, first in (n.split(", ") for n in names)]
        if len(short) > FULL_LIST or self.authors.endswith(AND_OTHERS):
            return f"{short[0]} et al."
        return ", ".join(short)


def _initials(first: str) -> str:
    return "".join(letter for letter in first if letter.isupper())


def _article(
    key: str, authors: str, year: int, title: str, *place: str, doi: str = ""
) -> Reference:
    journal, volume, number, pages = place
    return Reference(key, authors, str(year), title, journal, volume, number, pages, doi)


# By the citation in the text.
REFERENCES = {
    "Friston et al., 1994": _article(
        "friston1994",
        "Friston, K. J. and Holmes, A. P. and Worsley, K. J. and Poline, J.-P. and Frith, C. D. "
        "and Frackowiak, R. S. J.",
        1994,
        "Statistical parametric maps in functional imaging: a general linear approach",
        *("Human Brain Mapping", "2", "4", "189-210"),
        doi="10.1002/hbm.460020402",
    ),
    "Friston et al., 1998": _article(
        "friston1998",
        "Friston, K. J. and Fletcher, P. and Josephs, O. and Holmes, A. and Rugg, M. D. and "
        "Turner, R.",
        1998,
        "Event-related fMRI: characterizing differential responses",
        *("NeuroImage", "7", "1", "30-40"),
        doi="10.1006/nimg.1997.0306",
    ),
    "Glover, 1999": _article(
        "glover1999",
        "Glover, G. H.",
        1999,
        "Deconvolution of impulse response in event-related BOLD fMRI",
        *("NeuroImage", "9", "4", "416-429"),
        doi="10.1006/nimg.1998.0419",
    ),
    "Power et al., 2012": _article(
        "power2012",
        "Power, J. D. and Barnes, K. A. and Snyder, A. Z. and Schlaggar, B. L. and "
        "Petersen, S. E.",
        2012,
        "Spurious but systematic correlations in functional connectivity MRI networks arise from "
        "subject motion",
        *("NeuroImage", "59", "3", "2142-2154"),
        doi="10.1016/j.neuroimage.2011.10.018",
    ),
    "Mumford et al., 2015": _article(
        "mumford2015",
        "Mumford, J. A. and Poline, J.-B. and Poldrack, R. A.",
        2015,
        "Orthogonalization of regressors in fMRI models",
        *("PLOS ONE", "10", "4", "e0126255"),
        doi="10.1371/journal.pone.0126255",
    ),
    "Worsley et al., 2002": _article(
        "worsley2002",
        "Worsley, K. J. and Liao, C. H. and Aston, J. and Petre, V. and Duncan, G. H. and "
        "Morales, F. and Evans, A. C.",
        2002,
        "A general statistical analysis for fMRI data",
        *("NeuroImage", "15", "1", "1-15"),
        doi="10.1006/nimg.2001.0933",
    ),
    "Satterthwaite, 1946": _article(
        "satterthwaite1946",
        "Satterthwaite, F. E.",
        1946,
        "An approximate distribution of estimates of variance components",
        *("Biometrics Bulletin", "2", "6", "110-114"),
        doi="10.2307/3002019",
    ),
    "Morris, 1983": _article(
        "morris1983",
        "Morris, C. N.",
        1983,
        "Parametric empirical Bayes inference: theory and applications",
        *("Journal of the American Statistical Association", "78", "381", "47-55"),
        doi="10.1080/01621459.1983.10477920",
    ),
    "Abraham et al., 2014": _article(
        "abraham2014",
        "Abraham, A. and Pedregosa, F. and Eickenberg, M. and Gervais, P. and Mueller, A. and "
        "Kossaifi, J. and Gramfort, A. and Thirion, B. and Varoquaux, G.",
        2014,
        "Machine learning for neuroimaging with scikit-learn",
        *("Frontiers in Neuroinformatics", "8", "", "14"),
        doi="10.3389/fninf.2014.00014",
    ),
    "Meier, 1953": _article(
        "meier1953",
        "Meier, P.",
        1953,
        "Variance of a weighted mean",
        *("Biometrics", "9", "1", "59-73"),
        doi="10.2307/3001633",
    ),
    "Tipton, 2015": _article(
        "tipton2015",
        "Tipton, E.",
        2015,
        "Small sample adjustments for robust variance estimation with meta-regression",
        *("Psychological Methods", "20", "3", "375-393"),
        doi="10.1037/met0000011",
    ),
    "Johansen, 1980": _article(
        "johansen1980",
        "Johansen, S.",
        1980,
        "The Welch-James approximation to the distribution of the residual sum of squares in a "
        "weighted linear regression",
        *("Biometrika", "67", "1", "85-92"),
        doi="10.1093/biomet/67.1.85",
    ),
    "Bell & McCaffrey, 2002": _article(
        "bell2002",
        "Bell, R. M. and McCaffrey, D. F.",
        2002,
        "Bias reduction in standard errors for linear regression with multi-stage samples",
        *("Survey Methodology", "28", "2", "169-181"),
    ),
    "Pustejovsky & Tipton, 2018": _article(
        "pustejovsky2018",
        "Pustejovsky, J. E. and Tipton, E.",
        2018,
        "Small-sample methods for cluster-robust variance estimation and hypothesis testing in "
        "fixed effects models",
        *("Journal of Business & Economic Statistics", "36", "4", "672-683"),
        doi="10.1080/07350015.2016.1247004",
    ),
    "Benjamini & Hochberg, 1995": _article(
        "benjamini1995",
        "Benjamini, Y. and Hochberg, Y.",
        1995,
        "Controlling the false discovery rate: a practical and powerful approach to multiple "
        "testing",
        *("Journal of the Royal Statistical Society: Series B", "57", "1", "289-300"),
        doi="10.1111/j.2517-6161.1995.tb02031.x",
    ),
    "Winkler et al., 2014": _article(
        "winkler2014",
        "Winkler, A. M. and Ridgway, G. R. and Webster, M. A. and Smith, S. M. and Nichols, T. E.",
        2014,
        "Permutation inference for the general linear model",
        *("NeuroImage", "92", "", "381-397"),
        doi="10.1016/j.neuroimage.2014.01.060",
    ),
    "Smith & Nichols, 2009": _article(
        "smith2009",
        "Smith, S. M. and Nichols, T. E.",
        2009,
        "Threshold-free cluster enhancement: addressing problems of smoothing, threshold "
        "dependence and localisation in cluster inference",
        *("NeuroImage", "44", "1", "83-98"),
        doi="10.1016/j.neuroimage.2008.03.061",
    ),
    "BIDS Stats Models": Reference(
        "bidsstatsmodels",
        "{BIDS Stats Models contributors}",
        "",
        "BIDS Stats Models specification",
        url="https://bids-standard.github.io/stats-models",
    ),
    "Gorgolewski et al., 2011": _article(
        "gorgolewski2011",
        "Gorgolewski, K. and Burns, C. D. and Madison, C. and Clark, D. and Halchenko, Y. O. and "
        "Waskom, M. L. and Ghosh, S. S.",
        2011,
        "Nipype: a flexible, lightweight and extensible neuroimaging data processing framework in "
        "Python",
        *("Frontiers in Neuroinformatics", "5", "", "13"),
        doi="10.3389/fninf.2011.00013",
    ),
    "Yarkoni et al., 2019": _article(
        "yarkoni2019",
        "Yarkoni, T. and Markiewicz, C. J. and de la Vega, A. and Gorgolewski, K. J. and Salo, T. "
        "and Halchenko, Y. O. and others",
        2019,
        "PyBIDS: Python tools for BIDS datasets",
        *("Journal of Open Source Software", "4", "40", "1294"),
        doi="10.21105/joss.01294",
    ),
    "Harris et al., 2020": _article(
        "harris2020",
        "Harris, C. R. and Millman, K. J. and van der Walt, S. J. and Gommers, R. and "
        "Virtanen, P. and Cournapeau, D. and others",
        2020,
        "Array programming with NumPy",
        *("Nature", "585", "7825", "357-362"),
        doi="10.1038/s41586-020-2649-2",
    ),
    "Virtanen et al., 2020": _article(
        "virtanen2020",
        "Virtanen, P. and Gommers, R. and Oliphant, T. E. and Haberland, M. and Reddy, T. and "
        "Cournapeau, D. and others",
        2020,
        "SciPy 1.0: fundamental algorithms for scientific computing in Python",
        *("Nature Methods", "17", "3", "261-272"),
        doi="10.1038/s41592-019-0686-2",
    ),
    "Gorgolewski et al., 2016": _article(
        "gorgolewski2016",
        "Gorgolewski, K. J. and Auer, T. and Calhoun, V. D. and Craddock, R. C. and Das, S. and "
        "Duff, E. P. and others",
        2016,
        "The brain imaging data structure, a format for organizing and describing outputs of "
        "neuroimaging experiments",
        *("Scientific Data", "3", "", "160044"),
        doi="10.1038/sdata.2016.44",
    ),
}


def software(version: str) -> Reference:
    """Return the reference of boldglm itself."""
    title = "boldglm: a BIDS App for voxelwise task-fMRI general linear models"
    return Reference(
        SOFTWARE, "{The boldglm developers}", "", title, url=CODE_URL, version=version
    )


def cited(text: str) -> dict[str, Reference]:
    """Return the references that a text cites, by their citations, in the order of this module.

    Examples
    --------
    >>> list(cited("Variances were corrected (Meier, 1953)."))
    ['Meier, 1953']
    """
    return {citation: reference for citation, reference in REFERENCES.items() if citation in text}


def bibliography(references: Iterable[Reference]) -> str:
    """Return the content of a ``.bib`` file."""
    return "\n".join(reference.bibtex for reference in references)
