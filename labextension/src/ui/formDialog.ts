import { Dialog } from '@jupyterlab/apputils';

/** The class of a form in such a dialog. */
export const DIALOG_FORM = 'kale-DialogForm';

/** A dialog whose fields keep their Enter, which submits the form: others would press the default button for it. */
export class FormDialog extends Dialog<void> {
  constructor(options: Partial<Dialog.IOptions<void>>) {
    super(options);
    this.addClass('kale-FormDialog');
  }

  handleEvent(event: Event): void {
    const isOfForm = event.target instanceof Element && event.target.closest(`.${DIALOG_FORM}`) !== null;
    if (isOfForm && event instanceof KeyboardEvent && event.key === 'Enter') {
      return;
    }
    super.handleEvent(event);
  }
}
