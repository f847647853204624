import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

/** Lines and characters after which a new piece begins. */
const PIECE_LINES = 200;
const PIECE_CHARACTERS = 64_000;
/** Pieces that are kept: what came before can be read again. */
const KEPT_PIECES = 200;

/** Some lines of a log: drawn as a whole, and not again when more has come after it. */
export interface LogPiece {
  id: number;
  /** Colours that an earlier piece has switched on. */
  prefix: string;
  text: string;
}

/** What a step has printed, in pieces. */
export class StepLog {
  get pieces(): readonly LogPiece[] {
    return this.kept;
  }

  /** Whether there was more before what is kept. */
  get isCut(): boolean {
    return this.start > 0;
  }

  get changed(): ISignal<this, void> {
    return this.changedSignal;
  }

  /** Where what is kept begins, in bytes of the whole: with a line. */
  get firstByte(): number {
    return this.start;
  }

  /** Adds a part; one that begins where the first began, or before it, takes the place of everything. */
  add(offset: number, text: string): void {
    let rest = text;
    if (this.kept.length === 0 || offset <= this.begun) {
      this.kept = [];
      this.start = this.begun = offset;
      if (offset > 0) {
        // The first line was cut in two.
        const cut = text.slice(0, text.indexOf('\n') + 1);
        this.start += new TextEncoder().encode(cut).length;
        rest = text.slice(cut.length);
      }
    }
    while (rest !== '') {
      rest = this.fill(rest);
    }
    if (this.kept.length > this.limit) {
      const dropped = this.kept.slice(0, -this.limit).map(piece => piece.text);
      this.start += new TextEncoder().encode(dropped.join('')).length;
      this.kept = this.kept.slice(-this.limit);
    }
    this.changedSignal.emit();
  }

  /** Puts a part before what is kept: that from `offset` to where it begins. */
  addBefore(offset: number, text: string): void {
    const earlier = new StepLog();
    earlier.add(offset, text);
    const first = this.kept[0]?.id ?? 0;
    const count = earlier.kept.length;
    this.kept = [
      ...earlier.kept.map((piece, index) => ({ ...piece, id: first - count + index })),
      ...this.kept
    ];
    this.start = earlier.start;
    // What was asked for is not dropped again when more comes.
    this.limit += count;
    this.changedSignal.emit();
  }

  clear(): void {
    this.kept = [];
    this.changedSignal.emit();
  }

  /** Puts as much as there is room for into the last piece; gives the rest. */
  private fill(text: string): string {
    let last = this.kept[this.kept.length - 1];
    if (last === undefined || isFull(last)) {
      last = { id: this.nextId++, prefix: last === undefined ? '' : openColours(last), text: '' };
    } else {
      this.kept = this.kept.slice(0, -1);
    }
    const end = endOfLine(text, PIECE_LINES - lines(last.text), PIECE_CHARACTERS - last.text.length);
    // A new object: what was drawn before is compared with it.
    this.kept = [...this.kept, { ...last, text: last.text + text.slice(0, end) }];
    return text.slice(end);
  }

  private kept: LogPiece[] = [];
  private start = 0;
  /** Where the first part began. */
  private begun = 0;
  private limit = KEPT_PIECES;
  private nextId = 0;
  private changedSignal = new Signal<this, void>(this);
}

function lines(text: string): number {
  return text.split('\n').length - 1;
}

/** Full with its line ended, or too long to wait for that. */
function isFull(piece: LogPiece): boolean {
  return lines(piece.text) >= PIECE_LINES || piece.text.length >= PIECE_CHARACTERS;
}

/** Where the `count`th line ends, but no further than `limit`. */
function endOfLine(text: string, count: number, limit: number): number {
  let end = 0;
  for (let line = 0; line < count; line += 1) {
    const next = text.indexOf('\n', end);
    if (next < 0) {
      return Math.min(text.length, limit);
    }
    if (next >= limit) {
      return limit;
    }
    end = next + 1;
  }
  return end;
}

// eslint-disable-next-line no-control-regex
const COLOUR = /\x1b\[([\d;]*)m/g;

/** Escape sequences since the last reset: they hold for the next lines as well. */
function openColours(piece: LogPiece): string {
  let open = '';
  for (const [sequence, codes] of (piece.prefix + piece.text).matchAll(COLOUR)) {
    open = codes === '' || codes === '0' ? '' : open + sequence;
  }
  return open;
}

/** The text as it is read, without escape sequences. */
export function plainText(piece: LogPiece): string {
  // eslint-disable-next-line no-control-regex
  return piece.text.replace(/\x1b\[[\d;?]*[A-Za-z]/g, '');
}
