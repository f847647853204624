import type { ISettingRegistry } from '@jupyterlab/settingregistry';

/** What users may set; `schema/plugin.json` has the words. */
export interface Settings {
  /** Tell when a run has ended that nobody is looking at. */
  notify: boolean;
  /** Ask the compiler while people type; otherwise when they save. */
  checkWhileTyping: boolean;
}

const DEFAULTS: Settings = { notify: true, checkWhileTyping: true };

/** Settings as they are now: changes take effect at once. */
export class LiveSettings {
  constructor(registry: ISettingRegistry | null, plugin: string) {
    void registry
      ?.load(plugin)
      .then(settings => {
        const read = () => {
          this.current = { ...DEFAULTS, ...(settings.composite as Partial<Settings>) };
        };
        settings.changed.connect(read);
        read();
      })
      .catch(error => console.warn('kale_rs: settings cannot be read', error));
  }

  get value(): Settings {
    return this.current;
  }

  private current = DEFAULTS;
}
