/**
 * What tmtool puts into the page: one JSON document, deflated (raw deflate, RFC 1951) and in base64, in `<script type="application/octet-stream" id="tm-data">`.
 * Columns of numbers instead of rows of objects: a report has 100,000 nodes. `tmtool/src/page/data.rs` writes it.
 * Bytes and counts are exact integers below 2^53. Times are ns since the recording began.
 */
export interface ReportData {
    /** Of this layout; the page refuses another. */
    version: 1;
    /** "tmtool 0.1.0" */
    generator: string;
    /** recording: has a time line; moment: what lived at one moment (a .snap); difference: two moments, no time line. */
    kind: "recording" | "moment" | "difference";
    /** The recording or snapshot; of a difference, [before, after]. */
    origins: Origin[];
    /** Sentences for the top: what was lost, guessed, unknown, folded together. */
    notices: Notice[];
    /** All strings; columns hold indices in it. [0] is "". */
    strings: string[];
    frames: Frames;
    nodes: Nodes;
    /** Names of domains ("heap", "mmap", "python", ...), threads ("main (1234)"), labels ([0] is "", none), processes ("python3 (1234)"). */
    domains: string[];
    threads: string[];
    labels: string[];
    processes: string[];
    sites: Sites;
    /** recording: n + 1 boundaries of n slices, ascending; the moments that can be picked. Contains the exact peak and the marks. Others: []. */
    boundaries: number[];
    /** Sum over the cells of a site in slices before boundary k, plus what it had at boundary 0, is what lived at boundary k. Others: empty. */
    cells: Cells;
    /** recording: the fine time line, in steps of equal length. Others: null. */
    timeline: Timeline | null;
    marks: { at: number; name: string }[];
    /** When processes began and ended (recording only); `process` indexes `processes`. */
    lives: { process: number; from: number; until: number }[];
    /** How often sizes came: of a site, by power of two: bucket b has sizes of 2^(b-1) to 2^b - 1 bytes, bucket 0 size 0. Of all that was allocated (recording) or lives (moment, after). */
    sizes: Histogram;
    /** How long freed blocks lived: bucket d has lifetimes from limits[d-1] to below limits[d]. recording only, else empty. */
    lifetimes: Histogram & { limitsNs: number[] };
    /** Source lines around frames, where the source was at hand: keyed by `file` string index. */
    sources: { file: number; firstLine: number; lines: string[] }[];
    /** The boundary index of the peak of live bytes (recording), else -1. */
    peakBoundary: number;
}

export interface Origin {
    path: string;
    command: string;
    host: string;
    /** ms since 1970; 0 if not known. */
    startedMs: number;
    durationNs: number;
    /** As reports name it: "peak", "end", "12.5s". */
    moment: string;
    momentNs: number;
    /** The mean number of bytes from one sample to the next; 0 where every event was recorded. */
    sampleBytes: number;
    /** Exact totals by which the page checks itself. */
    liveBytes: number;
    liveBlocks: number;
}

export interface Notice {
    kind: "lost" | "guessed" | "unknown" | "folded" | "note";
    text: string;
}

/** Columns; the index is the frame's id. Frame 0 is "(small)", what small stacks are folded into. */
export interface Frames {
    function: number[];
    file: number[];
    line: number[];
    module: number[];
    /** 0 native, 1 Python, 2 an interpreter's own, 3 guessed, 4 "(small)" and other placeholders. */
    kind: number[];
    /** 1 if it is plumbing: allocator, run-time library, what is never blamed. */
    plumbing: number[];
    /** 1 if it was inlined into its caller. */
    inlined: number[];
}

/** The tree of stacks, from the outermost frame inward. Node 0 is the root, without a frame (-1). A parent's id is below its children's. */
export interface Nodes {
    parent: number[];
    frame: number[];
}

/** What blocks have in common: node (innermost frame), domain, thread, label, process. */
export interface Sites {
    node: number[];
    domain: number[];
    thread: number[];
    label: number[];
    process: number[];
    /** The node's ancestor-or-self that is blamed (as `tmtool stats` blames), a node id. */
    blamed: number[];
    /** recording: what lived at boundary 0 (a forked process's heritage); moment: what lives; difference: what lived in `before`. */
    startBytes: number[];
    startBlocks: number[];
    /** difference: what lived in `after`. Others: empty. */
    afterBytes: number[];
    afterBlocks: number[];
}

/** Sparse: sorted by site, then slice. */
export interface Cells {
    /** How many cells each site has: as long as the sites. */
    perSite: number[];
    /** Slice; the first of a site absolute, the next as differences to the one before. */
    slice: number[];
    allocatedBytes: number[];
    allocatedBlocks: number[];
    freedBytes: number[];
    freedBlocks: number[];
    /** Of the freed: before the next allocation of their thread. */
    temporaryBytes: number[];
    temporaryBlocks: number[];
}

export interface Histogram {
    /** How many buckets with something in them each site has: as long as the sites. */
    perSite: number[];
    bucket: number[];
    blocks: number[];
    bytes: number[];
}

export interface Timeline {
    /** n steps of this length from `fromNs`. */
    fromNs: number;
    stepNs: number;
    /** By domain (index as `domains`): the most bytes live in each step; empty where a domain has nothing. */
    mostBytes: number[][];
    /** Allocations and frees in each step. */
    allocations: number[];
    frees: number[];
}
