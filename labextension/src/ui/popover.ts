/** Room between a popover and what it stands beside, and the edge of the window. */
const GAP = 4;

/**
 * A box that stands beside something in the page. Plain DOM under `body`, so that no scrolling part of the page cuts it
 * off. Escape closes it and puts the focus back; what is typed in it is no shortcut of JupyterLab.
 */
export class Popover {
  constructor(
    private anchor: HTMLElement,
    label: string,
    /** Called while the box is still in the page. */
    private onClose: () => void = () => undefined
  ) {
    this.node = document.createElement('div');
    this.node.className = 'kale-Popover';
    this.node.id = `kale-Popover-${(serial += 1)}`;
    this.node.tabIndex = -1;
    this.node.dataset.lmSuppressShortcuts = 'true';
    this.node.setAttribute('role', 'dialog');
    this.node.setAttribute('aria-label', label);
    this.node.addEventListener('keydown', this.onKeyDown);
    window.addEventListener('resize', this.place);
    window.addEventListener('scroll', this.place, true);
    document.addEventListener('keydown', this.onEscape, true);
    document.body.append(this.node);
    this.resized = new ResizeObserver(this.place);
    this.resized.observe(this.node);
    this.place();
  }

  readonly node: HTMLElement;

  get isOpen(): boolean {
    return this.node.isConnected;
  }

  /** Where the focus goes when the box is closed by the keyboard. */
  returnTo: HTMLElement | null = null;

  contains(element: unknown): boolean {
    return element instanceof Node && this.node.contains(element);
  }

  /** Goes to the first thing in it that can be used. */
  focus(): void {
    (focusable(this.node)[0] ?? this.node).focus();
  }

  /**
   * From now on a click anywhere else closes it, unless `isKept` says otherwise; and the focus, which notebooks take
   * when they are activated, also behind the user's back, comes back until there is such a click.
   */
  closeOutside(isKept: () => boolean = () => false): void {
    let last: HTMLElement | null = null;
    let isHeld = true;
    this.outside = event => {
      isHeld = this.contains(event.target);
      if (!isHeld && !isKept()) {
        this.close();
      }
    };
    this.hold = event => {
      if (this.contains(event.target)) {
        last = event.target as HTMLElement;
      } else if (isHeld && last !== null) {
        last.focus();
      }
    };
    document.addEventListener('pointerdown', this.outside, true);
    document.addEventListener('focusin', this.hold, true);
  }

  close(): void {
    if (!this.isOpen) {
      return;
    }
    const hadFocus = this.contains(document.activeElement);
    this.onClose();
    this.node.remove();
    this.resized.disconnect();
    window.removeEventListener('resize', this.place);
    window.removeEventListener('scroll', this.place, true);
    document.removeEventListener('keydown', this.onEscape, true);
    if (this.outside !== null) {
      document.removeEventListener('pointerdown', this.outside, true);
    }
    if (this.hold !== null) {
      document.removeEventListener('focusin', this.hold, true);
    }
    if (hadFocus) {
      (this.returnTo ?? this.anchor).focus();
    }
  }

  /** Below its anchor if there is room, else above, else wherever there is; where it was when the anchor has gone out of the page. */
  private place = (): void => {
    if (this.anchor.offsetParent === null) {
      return;
    }
    const at = this.anchor.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.node;
    const lowest = window.innerHeight - height - GAP;
    const below = at.bottom + GAP;
    const above = at.top - GAP - height;
    const top = below <= lowest || above < GAP ? Math.min(below, lowest) : above;
    const left = Math.max(GAP, Math.min(at.left, window.innerWidth - width - GAP));
    this.node.style.top = `${Math.max(GAP, top)}px`;
    this.node.style.left = `${left}px`;
  };

  /** Tab stays inside: the box comes at the end of the page, where nobody would look for what is next. */
  private onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== 'Tab') {
      return;
    }
    const all = focusable(this.node);
    const first = all[0];
    const last = all[all.length - 1];
    const active = document.activeElement;
    if (first === undefined) {
      event.preventDefault();
    } else if (event.shiftKey && (active === first || active === this.node)) {
      event.preventDefault();
      last.focus();
    } else if (!event.shiftKey && active === last) {
      event.preventDefault();
      first.focus();
    }
  };

  /** Heard before the notebook does, and also while the focus is on the anchor. */
  private onEscape = (event: KeyboardEvent): void => {
    if (event.key === 'Escape' && !event.defaultPrevented && !this.keepsEscape()) {
      event.preventDefault();
      event.stopPropagation();
      this.close();
    }
  };

  /** Whether something inside wants the key first, such as a list of completions. */
  private keepsEscape(): boolean {
    return this.node.querySelector('[data-keeps-escape=true]') !== null;
  }

  private resized: ResizeObserver;
  private outside: ((event: PointerEvent) => void) | null = null;
  private hold: ((event: FocusEvent) => void) | null = null;
}

let serial = 0;

function focusable(node: HTMLElement): HTMLElement[] {
  const wanted = 'a[href], button:enabled, input:enabled, select:enabled, summary, [tabindex="0"]';
  return [...node.querySelectorAll<HTMLElement>(wanted)].filter(each => each.offsetParent !== null);
}
