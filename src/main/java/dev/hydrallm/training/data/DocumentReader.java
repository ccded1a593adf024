package dev.hydrallm.training.data;

import java.io.BufferedInputStream;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.util.List;
import java.util.function.LongConsumer;

/** Reads documents from files one after the other, and never much more of a file than a document. */
public final class DocumentReader {

    /** Takes what was found. */
    @FunctionalInterface
    public interface Sink {
        void take(Entry entry) throws IOException;
    }

    private DocumentReader() {}

    /**
     * Reads all files.
     *
     * @param progress told how many bytes of all files are read
     * @throws DataFormatException if a file that should be JSON is none
     */
    public static void read(List<Inputs.Source> sources, Sink sink, LongConsumer progress) throws IOException {
        long before = 0;
        for (Inputs.Source source : sources) {
            long begin = before;
            try (InputStream in = new BufferedInputStream(
                    new Counted(Files.newInputStream(source.file()), done -> progress.accept(begin + done)), 1 << 16)) {
                switch (source.format()) {
                    case JSON -> new JsonReader(source.file(), sink).read(in);
                    case TEXT, AUTO -> new TextReader(source.file(), sink).read(in);
                }
            }
            before += source.bytes();
        }
    }

    /** Tells how many bytes were read. */
    private static final class Counted extends FilterInputStream {
        private final LongConsumer told;
        private long done;

        Counted(InputStream in, LongConsumer told) {
            super(in);
            this.told = told;
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] bytes, int from, int length) throws IOException {
            int count = super.read(bytes, from, length);
            done += Math.max(0, count);
            told.accept(done);
            return count;
        }
    }
}
