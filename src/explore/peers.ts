// Workers that search together, as one of them sees the others: a port to each, and the turns in which it waits for them.

/** As node and browsers have it. */
export type Port = InstanceType<typeof MessageChannel>["port1"];

/** Ports by worker; a worker's own entry is null. */
export type Ports = readonly (Port | null)[];

export class Peers<Message> {
  readonly #ports: Ports;
  readonly #signal: AbortSignal;
  #wake: () => void = () => undefined;
  #failure: unknown = null;

  /**
   * @param take hears every message, with the number of the worker it is from
   * @param signal ends all waiting
   */
  constructor(ports: Ports, signal: AbortSignal, take: (message: Message, peer: number) => void) {
    this.#ports = ports;
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#wake(), { once: true });
    ports.forEach((port, peer) => {
      port?.addEventListener("message", (event) => {
        try {
          take((event as { data?: unknown }).data as Message, peer);
        } catch (error) {
          this.#failure ??= error;
        }
        this.#wake();
      });
      port?.start();
    });
  }

  /** The workers' numbers. */
  get numbers(): number[] {
    return [...this.#ports.keys()].filter((peer) => this.#ports[peer] !== null);
  }

  /** Messages of one peer arrive in the order in which they were sent. The buffers move. */
  send(peer: number, message: Message, buffers: ArrayBuffer[] = []): void {
    this.#ports[peer]?.postMessage(message, buffers);
  }

  sendAll(message: Message): void {
    for (const peer of this.numbers) this.send(peer, message);
  }

  /**
   * Lets messages in until they have made something true.
   *
   * @throws the signal's reason, or what taking a message in threw
   */
  async until(isTrue: () => boolean): Promise<void> {
    for (;;) {
      this.#signal.throwIfAborted();
      if (this.#failure !== null) throw this.#failure as Error;
      if (isTrue()) return;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  close(): void {
    for (const port of this.#ports) port?.close();
  }
}

/** A channel between any two workers: row w is worker w's ends. */
export function connect(workers: number): (Port | null)[][] {
  const ends = Array.from({ length: workers }, () => Array.from({ length: workers }, (): Port | null => null));
  for (let one = 0; one < workers; one++) {
    for (let other = one + 1; other < workers; other++) {
      const { port1, port2 } = new MessageChannel();
      ends[one]![other] = port1;
      ends[other]![one] = port2;
    }
  }
  return ends;
}

/** Rounds that all workers end together: each tells the others what came of its part, and hears what came of theirs. */
export class Meeting<Message> {
  readonly #peers: Peers<{ readonly round: number; readonly message: Message }>;
  #round = 0;
  /** Of this round, or of the next one already, by round and worker. */
  readonly #heard = new Map<number, Map<number, Message>>();

  constructor(ports: Ports, signal: AbortSignal) {
    this.#peers = new Peers(ports, signal, ({ round, message }, peer) => {
      this.#heardIn(round).set(peer, message);
    });
  }

  /**
   * Ends a round.
   *
   * @param own what came of this worker's part
   * @returns what came of all, by worker
   * @throws the signal's reason
   */
  async end(worker: number, own: Message): Promise<Message[]> {
    const round = this.#round++;
    this.#peers.sendAll({ round, message: own });
    const heard = this.#heardIn(round).set(worker, own);
    await this.#peers.until(() => heard.size === this.#peers.numbers.length + 1);
    this.#heard.delete(round);
    return [...heard.entries()].toSorted(([one], [other]) => one - other).map(([, message]) => message);
  }

  #heardIn(round: number): Map<number, Message> {
    const heard = this.#heard.get(round) ?? new Map<number, Message>();
    this.#heard.set(round, heard);
    return heard;
  }

  close(): void {
    this.#peers.close();
  }
}
