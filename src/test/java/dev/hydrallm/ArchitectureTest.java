package dev.hydrallm;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Path;

/** The package list is the data flow: these are its arrows. */
@AnalyzeClasses(packages = "dev.hydrallm", importOptions = ImportOption.DoNotIncludeTests.class)
final class ArchitectureTest {
    @ArchTest
    static final ArchRule ARROWS = layeredArchitecture()
            .consideringOnlyDependenciesInLayers()
            .layer("http")
            .definedBy("dev.hydrallm.http..")
            .layer("serving")
            .definedBy("dev.hydrallm.serving..")
            .layer("prompt")
            .definedBy("dev.hydrallm.prompt..")
            .layer("decoding")
            .definedBy("dev.hydrallm.decoding..")
            .layer("engine")
            .definedBy("dev.hydrallm.engine..")
            .layer("model")
            .definedBy("dev.hydrallm.model..")
            .layer("checkpoint")
            .definedBy("dev.hydrallm.checkpoint..")
            .layer("quantization")
            .definedBy("dev.hydrallm.quantization..")
            .layer("evaluation")
            .definedBy("dev.hydrallm.evaluation..")
            .layer("training")
            .definedBy("dev.hydrallm.training..")
            .layer("charts")
            .definedBy("dev.hydrallm.charts..")
            .layer("natives")
            .definedBy("dev.hydrallm.natives..")
            .layer("hub")
            .definedBy("dev.hydrallm.hub..")
            .layer("cli")
            .definedBy("dev.hydrallm.cli..")
            .whereLayer("cli")
            .mayNotBeAccessedByAnyLayer()
            .whereLayer("http")
            .mayOnlyBeAccessedByLayers("cli")
            // Its port Scorer is the engine's to implement, as Engine of decoding is: what measures knows no device.
            .whereLayer("evaluation")
            .mayOnlyBeAccessedByLayers("engine", "cli")
            // Its port Learner likewise.
            .whereLayer("training")
            .mayOnlyBeAccessedByLayers("engine", "cli")
            .whereLayer("hub")
            .mayOnlyBeAccessedByLayers("cli")
            .whereLayer("hub")
            .mayNotAccessAnyLayer()
            .whereLayer("charts")
            .mayOnlyBeAccessedByLayers("evaluation", "training", "cli")
            .whereLayer("charts")
            .mayNotAccessAnyLayer()
            .whereLayer("natives")
            .mayOnlyBeAccessedByLayers("engine", "model", "checkpoint")
            .whereLayer("natives")
            .mayNotAccessAnyLayer()
            .whereLayer("serving")
            .mayOnlyBeAccessedByLayers("http", "cli")
            .whereLayer("prompt")
            .mayOnlyBeAccessedByLayers("serving", "http", "evaluation", "training", "cli")
            .whereLayer("engine")
            .mayOnlyBeAccessedByLayers("cli")
            .whereLayer("checkpoint")
            .mayOnlyBeAccessedByLayers("evaluation", "training", "cli")
            .whereLayer("quantization")
            .mayOnlyBeAccessedByLayers("checkpoint", "engine", "evaluation", "cli")
            .whereLayer("model")
            .mayOnlyBeAccessedByLayers("engine", "serving", "checkpoint", "evaluation", "training", "cli")
            .whereLayer("decoding")
            .mayOnlyBeAccessedByLayers("engine", "serving", "http", "evaluation", "training", "cli");

    @ArchTest
    static final ArchRule NO_CYCLES =
            slices().matching("dev.hydrallm.(*)..").should().beFreeOfCycles();

    @ArchTest
    static final ArchRule THE_HEART_NEEDS_ONLY_THE_JDK = classes()
            .that()
            .resideInAnyPackage("dev.hydrallm.decoding..", "dev.hydrallm.quantization..")
            .should()
            .onlyDependOnClassesThat()
            .resideInAnyPackage("java..", "org.jspecify..", "dev.hydrallm.decoding..", "dev.hydrallm.quantization..");

    @ArchTest
    static final ArchRule DJL_STAYS_BEHIND_THE_ENGINE_AND_THE_TOKENIZER = noClasses()
            .that()
            .resideOutsideOfPackages("dev.hydrallm.engine.torch..", "dev.hydrallm.prompt..")
            .should()
            .dependOnClassesThat()
            .resideInAPackage("ai.djl..");

    @ArchTest
    static final ArchRule PROGRAMS_OF_THE_ENGINE_DO_NOT_KNOW_EACH_OTHER =
            slices().matching("dev.hydrallm.engine.(*)..").should().notDependOnEachOther();

    @ArchTest
    static final ArchRule ONLY_THE_ENGINE_CHOOSES_A_PROGRAM = noClasses()
            .that()
            .resideOutsideOfPackage("dev.hydrallm.engine..")
            .should()
            .dependOnClassesThat()
            .areAssignableTo("dev.hydrallm.engine.DecoderProgram");

    /** Others call what the system has. */
    @ArchTest
    static final ArchRule ONE_PACKAGE_LOADS_A_LIBRARY = noClasses()
            .that()
            .resideOutsideOfPackage("dev.hydrallm.natives..")
            .should()
            .callMethod(SymbolLookup.class, "libraryLookup", Path.class, Arena.class)
            .orShould()
            .callMethod(SymbolLookup.class, "libraryLookup", String.class, Arena.class);

    @ArchTest
    static final ArchRule REST_STAYS_IN_HTTP = noClasses()
            .that()
            .resideOutsideOfPackage("dev.hydrallm.http..")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage("jakarta.ws.rs..", "io.vertx..");

    @ArchTest
    static final ArchRule ONLY_THE_COMMAND_LINE_ENDS_THE_PROCESS = noClasses()
            .that()
            .resideOutsideOfPackage("dev.hydrallm.cli..")
            .should()
            .callMethod(System.class, "exit", int.class);

    @ArchTest
    static final ArchRule ONLY_THE_COMMAND_LINE_PRINTS = noClasses()
            .that()
            .resideOutsideOfPackage("dev.hydrallm.cli..")
            .should()
            .accessField(System.class, "out")
            .orShould()
            .accessField(System.class, "err");
}
