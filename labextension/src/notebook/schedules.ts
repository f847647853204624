import type { KernelLink } from '../channel/link';
import type { Schedule, Scheduled } from '../protocol';

/** What a schedule is added with, as `kale-rs schedule add` takes it. */
export interface ScheduleChoice {
  /** Six fields, seconds first. */
  cron?: string;
  /** A time, such as `1h30m`. */
  every?: string;
  /** Empty: the pipeline's. */
  name: string;
}

/** What clusters run by the clock. It is kept there, and asked for whenever somebody looks. */
export class Schedules {
  constructor(private link: KernelLink) {}

  /** Newest first. */
  async list(on: string): Promise<Schedule[]> {
    const { schedules } = await this.link.request('schedule', { action: 'list', on });
    return schedules;
  }

  async add(
    notebook: string,
    text: string,
    assignments: string[],
    choice: ScheduleChoice,
    on: string
  ): Promise<Scheduled> {
    const { name, ...schedule } = choice;
    const parameters = { assignments };
    const request = { action: 'add', notebook, text, parameters, schedule, name: name || null, on };
    const answer: unknown = await this.link.request('schedule', request);
    return answer as Scheduled;
  }

  async change(action: 'pause' | 'resume' | 'remove', id: string, on: string): Promise<void> {
    await this.link.request('schedule', { action, schedule: id, on });
  }
}
