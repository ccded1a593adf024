package dev.hydrallm.testing;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/** Writes zip files as {@code torch.save} does, correct ones and, from entries, broken ones. */
public final class TorchZip {
    private TorchZip() {}

    /** What {@code torch.save(value, file)} writes; values as {@link Pickle#value} takes them. */
    public static Path save(Path file, Object value) {
        return write(file, entries(new Pickle().value(value)));
    }

    /** The entries of a file with that pickle and its storages. */
    public static Map<String, byte[]> entries(Pickle pickle) {
        Map<String, byte[]> entries = new LinkedHashMap<>();
        entries.put("archive/data.pkl", pickle.bytes());
        entries.put("archive/byteorder", "little".getBytes(StandardCharsets.US_ASCII));
        pickle.storages().forEach((key, bytes) -> entries.put("archive/data/" + key, bytes));
        entries.put("archive/version", "3\n".getBytes(StandardCharsets.US_ASCII));
        return entries;
    }

    /** A zip file of uncompressed entries. */
    public static Path write(Path file, Map<String, byte[]> entries) {
        return write(file, entries, ZipEntry.STORED);
    }

    /** A zip file whose entries are all stored by one method. */
    public static Path write(Path file, Map<String, byte[]> entries, int method) {
        try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(file))) {
            for (Map.Entry<String, byte[]> each : entries.entrySet()) {
                ZipEntry entry = new ZipEntry(each.getKey());
                CRC32 crc = new CRC32();
                crc.update(each.getValue());
                entry.setMethod(method);
                entry.setSize(each.getValue().length);
                entry.setCrc(crc.getValue());
                zip.putNextEntry(entry);
                zip.write(each.getValue());
            }
            return file;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
